// Whether a version hurts the requests: figures in, judgement out.
//
// Errors need nothing to be compared with, and few requests: a version that fails on one request in twenty is broken.
// Shares of verdicts and times are compared with the version before, and only where both have decided enough requests
// that chance cannot have made the difference. Each is looked at over the whole watch, so that what is slow shows, and
// over the last moments, so that a version that turns bad late does not hide behind its good past.
//
// A share alone would let whoever floods the site with requests that any rule blocks take back the version that blocks
// them. A version that blocks what it should not shows in another way too: fewer requests pass than before. Both are
// asked.
//
// Thread safety: free functions over values.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "figures.hpp"
#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

struct Scene {
  Figures since_swap;
  Figures last_second;
  Figures last_seconds;  // kRecent
  std::optional<Figures> baseline;
  std::string baseline_version;
};
inline constexpr std::chrono::seconds kRecent{5};

// The evidence against the version, for the history: what was measured, the baseline, the threshold. Empty: none.
std::optional<std::string> judge(const WatchLimits& limits, const Scene& scene);

// Whether there is enough to compare shares and times with.
bool is_enough(const WatchLimits& limits, const std::optional<Figures>& baseline);

}  // namespace secbeat::agent
