#include "secbeat/control/break_glass.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <thread>

namespace secbeat::control {
namespace {

constexpr std::uint64_t kSomeTakenBack = 1;
constexpr std::uint64_t kUntilShift = 8;
constexpr std::uint64_t kLowBits = (std::uint64_t{1} << kUntilShift) - 1;
constexpr std::uint64_t kMostUntil = UINT64_MAX >> kUntilShift;
// A writer that died in the middle leaves an odd number: what stands there is then taken as it is.
constexpr int kReadAttempts = 1000;
// A writer that has not finished after this many pauses counts as dead.
constexpr int kWriteAttempts = 300;
constexpr int kWriteAttemptsAtOnce = 50;

enum NoteState : std::uint32_t { kFree = 0, kBeingWritten = 1, kToBeRead = 2 };

template <class Change>
void change_flags(BreakGlassArea& area, Change change) noexcept {
  std::uint64_t seen = area.flags.load(std::memory_order_relaxed);
  while (!area.flags.compare_exchange_weak(seen, change(seen), std::memory_order_acq_rel)) {
  }
}

// Cut at a character's border.
void write_text(std::span<std::atomic<char>> to, std::string_view text) noexcept {
  std::size_t size = std::min(text.size(), to.size() - 1);
  if (size < text.size()) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
  }
  for (std::size_t i = 0; i < size; ++i) to[i].store(text[i], std::memory_order_relaxed);
  for (std::size_t i = size; i < to.size(); ++i) to[i].store('\0', std::memory_order_relaxed);
}

std::string read_text(std::span<const std::atomic<char>> from) {
  std::string text;
  for (const std::atomic<char>& place : from) {
    const char c = place.load(std::memory_order_acquire);
    if (c == '\0') break;
    text += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  }
  return text;
}

// One writer's turn: the sequence number is odd while it lasts, for readers and for other writers.
class Turn {
 public:
  explicit Turn(SharedStatement& shared) noexcept : shared_(shared), number_(shared.sequence.load()) {
    for (int attempt = 0;; ++attempt) {
      const bool is_free = (number_ & 1U) == 0;
      const bool may_take = is_free || attempt >= kWriteAttempts;
      // Its acquire keeps the stores that follow behind it.
      if (may_take && shared.sequence.compare_exchange_strong(number_, number_ + (is_free ? 1 : 2))) {
        number_ += is_free ? 1 : 2;
        return;
      }
      if (!may_take) {
        if (attempt < kWriteAttemptsAtOnce) {
          std::this_thread::yield();
        } else {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        number_ = shared.sequence.load();
      }
    }
  }
  ~Turn() { shared_.sequence.store(number_ + 1, std::memory_order_release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void put(const Statement& statement) const noexcept {
    write_text(shared_.by, statement.by);
    write_text(shared_.reason, statement.reason);
    shared_.until_unix_ms.store(statement.until_unix_ms, std::memory_order_relaxed);
    shared_.since_unix_ms.store(statement.since_unix_ms, std::memory_order_relaxed);
  }

 private:
  SharedStatement& shared_;
  std::uint64_t number_;
};

void write(SharedStatement& shared, const Statement& statement) noexcept { Turn(shared).put(statement); }

Statement read(const SharedStatement& shared) {
  Statement statement;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const std::uint64_t before = shared.sequence.load(std::memory_order_acquire);
    statement.by = read_text(shared.by);
    statement.reason = read_text(shared.reason);
    statement.until_unix_ms = shared.until_unix_ms.load(std::memory_order_acquire);
    statement.since_unix_ms = shared.since_unix_ms.load(std::memory_order_acquire);
    if ((before & 1U) == 0 && shared.sequence.load(std::memory_order_relaxed) == before) break;
    std::this_thread::yield();
  }
  return statement;
}

std::optional<Statement> if_any(Statement statement) {
  if (statement.since_unix_ms == 0) return std::nullopt;
  return statement;
}

}  // namespace

void begin_bypass(BreakGlassArea& area, const Statement& statement, std::uint64_t until_boot_ms) noexcept {
  write(area.bypass, statement);
  area.bypass_until_boot_ms.store(until_boot_ms, std::memory_order_relaxed);
  const std::uint64_t until = std::min(statement.until_unix_ms, kMostUntil) << kUntilShift;
  change_flags(area, [&](std::uint64_t seen) { return until | (seen & kLowBits); });
}

void end_bypass(BreakGlassArea& area) noexcept {
  change_flags(area, [](std::uint64_t seen) { return seen & kLowBits; });
  write(area.bypass, {});
}

bool end_bypass_until(BreakGlassArea& area, std::uint64_t until_unix_ms) noexcept {
  std::uint64_t seen = area.flags.load(std::memory_order_relaxed);
  while (seen >> kUntilShift == until_unix_ms && until_unix_ms != 0) {
    if (area.flags.compare_exchange_weak(seen, seen & kLowBits, std::memory_order_acq_rel)) return true;
  }
  return false;
}

std::optional<Statement> last_bypass_of(const BreakGlassArea& area) {
  const std::uint64_t until = Flags::of(area).bypass_until_unix_ms();
  if (until == 0) return std::nullopt;
  Statement statement = read(area.bypass);
  statement.until_unix_ms = until;
  return statement;
}

std::optional<Statement> bypass_of(const BreakGlassArea& area, const Moment& now) {
  if (!is_bypassed(area, Flags::of(area), now)) return std::nullopt;
  return last_bypass_of(area);
}

bool take_back(BreakGlassArea& area, std::uint64_t version_id) noexcept {
  if (!is_taken_back(area, version_id)) {
    const bool found = std::ranges::any_of(area.taken_back, [&](Counter& place) {
      std::uint64_t free = 0;
      return place.compare_exchange_strong(free, version_id, std::memory_order_acq_rel);
    });
    if (!found) return false;
  }
  change_flags(area, [](std::uint64_t seen) { return seen | kSomeTakenBack; });
  return true;
}

void let_decide_again(BreakGlassArea& area, std::uint64_t version_id) noexcept {
  for (Counter& place : area.taken_back) {
    std::uint64_t wanted = version_id;
    place.compare_exchange_strong(wanted, 0, std::memory_order_acq_rel);
  }
  const auto none_left = [&] {
    return std::ranges::all_of(area.taken_back, [](const Counter& place) { return place.load() == 0; });
  };
  if (!none_left()) return;
  change_flags(area, [](std::uint64_t seen) { return seen & ~kSomeTakenBack; });
  // Somebody may have taken a version back in between.
  if (!none_left()) change_flags(area, [](std::uint64_t seen) { return seen | kSomeTakenBack; });
}

bool is_taken_back(const BreakGlassArea& area, std::uint64_t version_id) noexcept {
  return std::ranges::any_of(area.taken_back,
                             [&](const Counter& place) { return place.load(std::memory_order_relaxed) == version_id; });
}

std::vector<std::uint64_t> taken_back(const BreakGlassArea& area) {
  std::vector<std::uint64_t> ids;
  for (const Counter& place : area.taken_back) {
    if (const std::uint64_t id = place.load(std::memory_order_acquire); id != 0) ids.push_back(id);
  }
  return ids;
}

void freeze(BreakGlassArea& area, const Statement& statement) noexcept { write(area.freeze, statement); }

void unfreeze(BreakGlassArea& area) noexcept { write(area.freeze, {}); }

bool unfreeze_if(BreakGlassArea& area, const Statement& seen) noexcept {
  const Turn turn(area.freeze);
  if (area.freeze.since_unix_ms.load() != seen.since_unix_ms ||
      area.freeze.until_unix_ms.load() != seen.until_unix_ms) {
    return false;
  }
  turn.put({});
  return true;
}

std::optional<Statement> last_freeze_of(const BreakGlassArea& area) { return if_any(read(area.freeze)); }

std::optional<Statement> freeze_of(const BreakGlassArea& area, std::uint64_t now_unix_ms) {
  auto statement = last_freeze_of(area);
  if (statement && statement->until_unix_ms != 0 && statement->until_unix_ms <= now_unix_ms) return std::nullopt;
  return statement;
}

bool add_note(BreakGlassArea& area, const Note& note) noexcept {
  for (SharedNote& place : area.notes) {
    std::uint32_t free = kFree;
    if (!place.state.compare_exchange_strong(free, kBeingWritten, std::memory_order_acq_rel)) continue;
    place.action.store(static_cast<std::uint32_t>(note.action), std::memory_order_relaxed);
    place.version_id.store(note.version_id, std::memory_order_relaxed);
    write(place.statement, note.statement);
    place.state.store(kToBeRead, std::memory_order_release);
    return true;
  }
  return false;
}

std::vector<WaitingNote> waiting_notes(const BreakGlassArea& area) {
  std::vector<WaitingNote> notes;
  for (std::size_t i = 0; i < kMaxNotes; ++i) {
    const SharedNote& place = area.notes[i];
    if (place.state.load(std::memory_order_acquire) != kToBeRead) continue;
    const std::uint32_t action = place.action.load(std::memory_order_relaxed);
    notes.push_back({.place = i,
                     .note = {.action = static_cast<Action>(action),
                              .version_id = place.version_id.load(std::memory_order_relaxed),
                              .statement = read(place.statement)}});
  }
  std::ranges::stable_sort(notes, {}, [](const WaitingNote& note) { return note.note.statement.since_unix_ms; });
  return notes;
}

void clear_note(BreakGlassArea& area, std::size_t place) noexcept {
  area.notes[place].state.store(kFree, std::memory_order_release);
}

}  // namespace secbeat::control
