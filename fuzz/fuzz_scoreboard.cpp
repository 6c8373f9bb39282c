// The memory that agent and workers share, written by somebody who means ill: pieces of the input go to places of it,
// and each reader of the other side has to give bounded answers. Nobody may make a bypass last or wait for ever.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "figures.hpp"
#include "fuzz_support.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/rate_limiter.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::control;
using fuzz::Pieces;
using fuzz::require;

constexpr std::uint64_t kNowMs = 1763946003000;
constexpr std::uint64_t kBootMs = 5000000;
constexpr std::uint64_t kVersion = 7;

struct Board {
  Board() {
    char folder[] = "/tmp/secbeat-fuzz-scoreboard-XXXXXX";
    require(::mkdtemp(folder) != nullptr);
    path = std::filesystem::path(folder) / "workers" / "scoreboard";
    auto made = Scoreboard::create(path, static_cast<uid_t>(-1), static_cast<gid_t>(-1));
    require(made.has_value());
    board = *std::move(made);
  }
  ~Board() { std::filesystem::remove_all(path.parent_path().parent_path()); }
  std::filesystem::path path;
  std::unique_ptr<Scoreboard> board;
};

// A place of the memory, as bytes.
struct Place {
  char* begin;
  std::size_t size;
};
template <class T>
Place place_of(T& object, std::size_t size = sizeof(T)) {
  return {reinterpret_cast<char*>(&object), size};
}

void write_pieces(std::string_view input, std::initializer_list<Place> places) {
  for (const Place& place : places) std::memset(place.begin, 0, place.size);
  Pieces pieces(input);
  while (!pieces.empty()) {
    const Place place = *(places.begin() + pieces.number() % places.size());
    const std::size_t offset = (std::size_t{pieces.number()} << 8U | pieces.number()) % place.size;
    const std::string_view piece = pieces.next().substr(0, place.size - offset);
    std::memcpy(place.begin + offset, piece.data(), piece.size());
  }
}

void check_statement(const Statement& statement) {
  const auto steers = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  require(statement.by.size() <= kMaxByBytes && std::ranges::none_of(statement.by, steers));
  require(statement.reason.size() <= kMaxReasonBytes && std::ranges::none_of(statement.reason, steers));
  for (const std::uint64_t ms : {statement.since_unix_ms, statement.until_unix_ms}) {
    require(rfc3339(time_of_unix_ms(ms)).size() == 20);
  }
}

void check_glass(BreakGlassArea& area) {
  for (const auto& statement : {last_freeze_of(area), freeze_of(area, kNowMs), last_bypass_of(area)}) {
    if (statement) check_statement(*statement);
  }
  constexpr std::uint64_t kLongest = std::chrono::milliseconds(kMaxBypass).count();
  if (const auto bypass = bypass_of(area, {kNowMs, kBootMs})) {
    check_statement(*bypass);
    require(bypass->until_unix_ms > kNowMs && bypass->until_unix_ms - kNowMs <= kLongest);
  }
  const auto notes = waiting_notes(area);
  require(notes.size() <= kMaxNotes && taken_back(area).size() <= kMaxTakenBack);
  for (const WaitingNote& waiting : notes) {
    check_statement(waiting.note.statement);
    clear_note(area, waiting.place);
  }
  require(waiting_notes(area).empty());
  // What the glass' owner says afterwards holds. A writer that died in the middle would be waited for a while.
  for (SharedStatement* shared : {&area.freeze, &area.bypass}) shared->sequence.store(shared->sequence & ~1ULL);
  end_bypass(area);
  unfreeze(area);
  require(!bypass_of(area, {kNowMs, kBootMs}) && !freeze_of(area, kNowMs));
  freeze(area, {.since_unix_ms = kNowMs, .until_unix_ms = 0, .by = "me", .reason = "mine"});
  require(freeze_of(area, kNowMs)->reason == "mine");
  for (const std::uint64_t id : taken_back(area)) let_decide_again(area, id);
  require(taken_back(area).empty() && Flags::of(area).bypass_until_unix_ms() == 0);
}

void check_slots(Scoreboard& board) {
  for (const std::uint32_t slot : board.live_slots()) require(slot < kMaxWorkers);
  const auto slot = board.claim(::getpid(), ::getppid());
  require(slot && *slot < kMaxWorkers && std::ranges::count(board.live_slots(), *slot) == 1);
  board.release(*slot);
  WorkerSlot& first = board.layout().workers[0];
  const Series* series = Scoreboard::series_for(first, kVersion, {1, 2});
  require(series != nullptr && series >= first.series && series < std::end(first.series));
  const agent::WatchFigures figures = agent::view_of(agent::figures_of(board, kVersion));
  require(!figures.p99_us || (*figures.p99_us >= 0 && *figures.p99_us <= 10000));
  static_cast<void>(board.total_requests());
}

void check_rates(ScoreboardLayout& layout) {
  constexpr std::uint64_t kNowNs = 1'000'000'000'000;
  RateLimiter limiter(layout, /*per_second=*/10, /*burst=*/20);
  for (const char* address : {"192.0.2.1", "192.0.2.1", "2001:db8::1"}) {
    const auto decision = limiter.count(address, kNowNs);
    require(decision.allowed || (decision.retry_after_seconds >= 1 && decision.retry_after_seconds <= 3));
  }
}

// A file with another header is no scoreboard, and is not mapped.
void check_header(const Board& board) {
  ScoreboardHeader& header = board.board->layout().header;
  const bool ours = header.magic == kScoreboardMagic && header.layout == kScoreboardLayoutVersion &&
                    header.worker_slots == kMaxWorkers;
  require(Scoreboard::open(board.path).has_value() == ours);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Board board;
  ScoreboardLayout& layout = board.board->layout();
  // The first address' set of the rate limiter with this seed, which is part of the header.
  constexpr std::size_t kRates = 4096;
  write_pieces(fuzz::text_of(data, size),
               {place_of(layout.break_glass), place_of(layout.workers[0]), place_of(layout.workers[1], 4096),
                place_of(layout.rates[0], kRates), place_of(layout.header)});
  check_header(board);
  check_glass(layout.break_glass);
  check_slots(*board.board);
  check_rates(layout);
  return 0;
}
