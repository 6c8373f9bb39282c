// Break-glass: what a person can demand of the workers, and of an agent that is away, with everything else down.
//
// A part of the scoreboard. Workers read one word of it, `flags`, on each request; it is 0 unless somebody broke the
// glass. The agent writes the area, and the command line where no agent answers; what the command line did stays in
// `notes` until an agent has put it into the history.
//
// Whoever may write the scoreboard (nginx' workers) may write this too. So nothing here can bring a version into force
// that was not in force before, a bypass ends by itself whatever the numbers say, and texts are cleaned by their
// reader.
//
// Thread safety: free functions on atomics, to be called from any thread and process; a text that is read while
// somebody writes it may be empty.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/control/counter.hpp"

namespace secbeat::control {

// Nobody means to run without rules for longer than that, and a clock that was set back must not make it longer.
inline constexpr std::chrono::hours kMaxBypass{24};
inline constexpr std::size_t kMaxTakenBack = 16;
inline constexpr std::size_t kMaxNotes = 16;
inline constexpr std::size_t kMaxByBytes = 64;
inline constexpr std::size_t kMaxReasonBytes = 1000;

struct SharedStatement {
  Counter sequence;       // odd while somebody writes
  Counter since_unix_ms;  // 0: it is not in effect
  Counter until_unix_ms;  // 0: without an end
  std::atomic<char> by[kMaxByBytes];
  std::atomic<char> reason[kMaxReasonBytes];
};

struct SharedNote {
  std::atomic<std::uint32_t> state;   // free, being written, to be read
  std::atomic<std::uint32_t> action;  // Action
  Counter version_id;
  SharedStatement statement;
};

struct alignas(64) BreakGlassArea {
  // Bit 0: some versions are taken back (`taken_back`). From bit 8 on: the bypass' end in Unix milliseconds, 0: none.
  Counter flags;
  Counter probe;                      // a drill's number; each worker's event loop answers with it in its slot
  Counter restored;                   // 1: an agent has put back what it remembers over a restart of the machine
  Counter taken_back[kMaxTakenBack];  // ids of versions in whose place the previous one decides; 0: free
  SharedStatement freeze;
  SharedStatement bypass;  // who, when and why; its end is in `flags`
  SharedNote notes[kMaxNotes];
  Counter bypass_until_boot_ms;  // the bypass' end once more, on a clock that nobody can set; 0: of an older build
};
// So that the layout of older builds is this one.
static_assert(offsetof(BreakGlassArea, bypass_until_boot_ms) ==
              offsetof(BreakGlassArea, notes) + kMaxNotes * sizeof(SharedNote));

// Now, on both clocks.
struct Moment {
  std::uint64_t unix_ms = 0;
  std::uint64_t boot_ms = 0;  // CLOCK_BOOTTIME
};

// The word that a worker reads on each request.
class Flags {
 public:
  explicit constexpr Flags(std::uint64_t word) noexcept : word_(word) {}
  static Flags of(const BreakGlassArea& area) noexcept { return Flags(area.flags.load(std::memory_order_relaxed)); }

  [[nodiscard]] constexpr bool none() const noexcept { return word_ == 0; }
  [[nodiscard]] constexpr bool some_taken_back() const noexcept { return (word_ & 1U) != 0; }
  [[nodiscard]] constexpr std::uint64_t bypass_until_unix_ms() const noexcept { return word_ >> 8U; }
  // As far as this word says: see is_bypassed().
  [[nodiscard]] constexpr bool bypassed(std::uint64_t now_unix_ms) const noexcept {
    constexpr std::uint64_t kLongest = std::chrono::milliseconds(kMaxBypass).count();
    const std::uint64_t until = bypass_until_unix_ms();
    return now_unix_ms < until && until - now_unix_ms <= kLongest;
  }

 private:
  std::uint64_t word_;
};

struct Statement {
  std::uint64_t since_unix_ms = 0;
  std::uint64_t until_unix_ms = 0;  // 0: without an end
  std::string by;
  std::string reason;

  bool operator==(const Statement&) const = default;
};

enum class Action : std::uint32_t { kFreeze = 1, kUnfreeze, kBypass, kBypassEnd, kRollback, kAutoRollback };

struct Note {
  Action action = Action::kFreeze;
  std::uint64_t version_id = 0;  // of kRollback: the version that was taken back
  Statement statement;

  bool operator==(const Note&) const = default;
};

// Requests pass uninspected until then: `statement.until_unix_ms` and, where it is not 0, `until_boot_ms`, whichever
// comes first. So a clock that is set back does not make it longer or bring it back, and a machine that starts again
// with an old file does not either.
void begin_bypass(BreakGlassArea& area, const Statement& statement, std::uint64_t until_boot_ms) noexcept;
void end_bypass(BreakGlassArea& area) noexcept;
// Only the one that ends then; false: somebody has begun another, or ended it.
bool end_bypass_until(BreakGlassArea& area, std::uint64_t until_unix_ms) noexcept;
// Empty: there is none, or it has ended.
std::optional<Statement> bypass_of(const BreakGlassArea& area, const Moment& now);
// The same as a yes or no. `flags` is the area's word.
inline bool is_bypassed(const BreakGlassArea& area, Flags flags, const Moment& now) noexcept {
  constexpr std::uint64_t kLongest = std::chrono::milliseconds(kMaxBypass).count();
  if (!flags.bypassed(now.unix_ms)) return false;
  const std::uint64_t until = area.bypass_until_boot_ms.load(std::memory_order_relaxed);
  return until == 0 || (now.boot_ms < until && until - now.boot_ms <= kLongest);
}

// Workers decide by the version before it where this one is current. False: kMaxTakenBack others are taken back.
bool take_back(BreakGlassArea& area, std::uint64_t version_id) noexcept;
void let_decide_again(BreakGlassArea& area, std::uint64_t version_id) noexcept;
bool is_taken_back(const BreakGlassArea& area, std::uint64_t version_id) noexcept;
std::vector<std::uint64_t> taken_back(const BreakGlassArea& area);

void freeze(BreakGlassArea& area, const Statement& statement) noexcept;
void unfreeze(BreakGlassArea& area) noexcept;
// Only the freeze that `seen` is of; false: somebody has frozen anew, or unfrozen.
bool unfreeze_if(BreakGlassArea& area, const Statement& seen) noexcept;
// Empty: changes are not frozen, or not any more.
std::optional<Statement> freeze_of(const BreakGlassArea& area, std::uint64_t now_unix_ms);
// Also one whose time is over.
std::optional<Statement> last_freeze_of(const BreakGlassArea& area);
std::optional<Statement> last_bypass_of(const BreakGlassArea& area);

// False: kMaxNotes wait to be read.
bool add_note(BreakGlassArea& area, const Note& note) noexcept;
struct WaitingNote {
  std::size_t place = 0;
  Note note;
};
// Those that wait, oldest first. The agent reads them and clears each once it is in the history.
std::vector<WaitingNote> waiting_notes(const BreakGlassArea& area);
void clear_note(BreakGlassArea& area, std::size_t place) noexcept;

}  // namespace secbeat::control
