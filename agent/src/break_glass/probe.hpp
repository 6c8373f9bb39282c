// Whether workers' event loops see what is written to the scoreboard.
//
// Thread safety: free function.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

// Far more than a helper thread's pause and an event loop's longest hold.
inline constexpr std::chrono::milliseconds kProbePatience{2000};

struct ProbedWorker {
  std::int32_t pid = 0;
  bool answered = false;
};
// Writes a number that nobody has written and waits until every live worker has answered with it, at most `patience`.
std::vector<ProbedWorker> probe_workers(control::Scoreboard& scoreboard,
                                        std::chrono::milliseconds patience = kProbePatience);

}  // namespace secbeat::agent
