#include "judge.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace secbeat::agent {
namespace {

using Evidence = std::optional<std::string>;

Evidence judge_errors(const WatchLimits& limits, const Figures& figures, std::string_view when) {
  const std::uint64_t failed = figures.failed();
  if (failed < limits.min_errors || figures.percent(failed) < limits.error_percent) return std::nullopt;
  return fmt::format("errors: {} of {} requests {} failed, {:.1f} % ({}); limit {} errors that are {:g} %", failed,
                     figures.requests(), when, figures.percent(failed), errors_by_kind(figures), limits.min_errors,
                     limits.error_percent);
}

struct Share {
  std::string_view what;
  double (Figures::*percent)() const noexcept;
  double limit;  // points above the baseline; 0: not looked at
};

// Whether so many requests that should pass do not: the requests that pass each second have become fewer by the limit,
// too.
bool fewer_pass(const Figures& baseline, const Figures& figures, double limit) {
  const auto before = baseline.passed_per_second();
  const auto measured = figures.passed_per_second();
  return !before || !measured || *measured <= *before * (1 - limit / 100);
}

std::string rates(const Figures& baseline, const Figures& figures) {
  const auto before = baseline.passed_per_second();
  const auto measured = figures.passed_per_second();
  return before && measured ? fmt::format("; {:.1f} requests/s pass, {:.1f} before", *measured, *before) : "";
}

Evidence judge_share(const WatchLimits& limits, const Scene& scene, const Figures& figures, std::string_view when,
                     const Share& share) {
  if (share.limit <= 0 || figures.requests() < limits.min_requests) return std::nullopt;
  const double measured = (figures.*share.percent)();
  const double before = (*scene.baseline.*share.percent)();
  if (measured - before < share.limit || !fewer_pass(*scene.baseline, figures, share.limit)) return std::nullopt;
  return fmt::format("{}: {:.1f} % of {} requests {}, {:.1f} % of {} with {} before it{}; limit {:g} points more",
                     share.what, measured, figures.requests(), when, before, scene.baseline->requests(),
                     scene.baseline_version, rates(*scene.baseline, figures), share.limit);
}

// Both spans have to show it: the first requests after a swap find cold caches, and a busy moment is no fault of a
// rule.
Evidence judge_times(const WatchLimits& limits, const Scene& scene) {
  if (limits.p99_factor <= 0) return std::nullopt;
  if (scene.since_swap.requests() < limits.min_requests || scene.last_seconds.requests() < limits.min_requests) {
    return std::nullopt;
  }
  const auto whole = scene.since_swap.p99_us();
  const auto recent = scene.last_seconds.p99_us();
  const auto before = scene.baseline->p99_us();
  if (!whole || !recent || !before) return std::nullopt;
  const double measured = std::min(*whole, *recent);
  const auto floor = static_cast<double>(limits.p99_floor.count());
  if (measured < floor || measured < *before * limits.p99_factor) return std::nullopt;
  return fmt::format(
      "inspection time: p99 {:.0f} µs over {} requests since the swap, {:.0f} µs over {} with {} before it; limit {:g} "
      "times and {:.0f} µs",
      *whole, scene.since_swap.requests(), *before, scene.baseline->requests(), scene.baseline_version,
      limits.p99_factor, floor);
}

}  // namespace

bool is_enough(const WatchLimits& limits, const std::optional<Figures>& baseline) {
  return baseline && baseline->requests() >= limits.min_baseline_requests;
}

std::optional<std::string> judge(const WatchLimits& limits, const Scene& scene) {
  if (auto found = judge_errors(limits, scene.since_swap, "since the swap")) return found;
  if (auto found = judge_errors(limits, scene.last_second, "in the last second")) return found;
  if (!is_enough(limits, scene.baseline)) return std::nullopt;
  const std::string recently = fmt::format("in the last {} s", kRecent.count());
  for (const Share& share : {Share{"blocked", &Figures::block_percent, limits.block_percent},
                             Share{"rate-limited", &Figures::rate_limit_percent, limits.rate_limit_percent}}) {
    if (auto found = judge_share(limits, scene, scene.since_swap, "since the swap", share)) return found;
    if (auto found = judge_share(limits, scene, scene.last_seconds, recently, share)) return found;
  }
  return judge_times(limits, scene);
}

}  // namespace secbeat::agent
