// What the watch over a new version tells about itself. Value types; thread safety as for std::string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace secbeat::agent {

// kPassed: it ran to its end. kEnded: an operator ended it, or a rollback or removal took the version away.
// kSuperseded: a newer version came. kRolledBack: the version was taken back.
enum class WatchState : std::uint8_t { kRunning, kPassed, kEnded, kSuperseded, kRolledBack };
// "running", "passed", "ended", "superseded", "rolled_back"
constexpr std::string_view word_of(WatchState state) noexcept {
  constexpr std::string_view kWords[] = {"running", "passed", "ended", "superseded", "rolled_back"};
  return kWords[static_cast<std::size_t>(state)];
}

// What one version did to the requests that it was asked about.
struct WatchFigures {
  std::uint64_t requests = 0;
  std::uint64_t trap = 0;
  std::uint64_t deadline = 0;
  std::uint64_t memory = 0;
  std::uint64_t bad_verdict = 0;
  std::uint64_t no_instance = 0;
  double block_percent = 0;  // of the requests
  double rate_limit_percent = 0;
  std::optional<double> passed_per_second;  // empty: the time is not known
  std::optional<double> p99_us;             // of one inspection; empty: there was none
};

struct WatchView {
  std::string module;
  WatchState state = WatchState::kRunning;
  std::string version;           // that is watched
  std::string previous_version;  // where it would be taken back to; empty: nowhere
  std::string since;             // RFC 3339
  std::string until;             // when it ends or ended
  std::string reason;            // why it ended, or what it has found and cannot mend; empty: nothing to tell
  WatchFigures measured;
  std::optional<WatchFigures>
      baseline;  // of the version before; empty: it has decided too few requests to compare with
};

}  // namespace secbeat::agent
