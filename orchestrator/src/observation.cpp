#include "observation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "plan.hpp"

namespace secbeat::orchestrator {
namespace {

// A report may have been on its way while the node swapped; the one after it was not.
constexpr std::size_t kSurelyLater = 2;
constexpr int kMissedLooks = 3;

}  // namespace

bool Observation::is_version(const fleet::ModuleStatus& status) const {
  return status.version.sha256 == rollout_.order.version.sha256 &&
         status.version.config_sha256 == rollout_.order.version.config_sha256;
}

std::optional<std::string> Observation::look(const std::vector<Known<fleet::NodeStatus>>& list, Time asked, Time now) {
  const auto& timeouts = settings_.timeouts;
  if (const auto gap = asked - looked_; gap > kMissedLooks * timeouts.look + timeouts.beat) {
    away_ += gap;
    for (auto& [node, seen] : seen_) seen.missed.reset();
  }
  looked_ = now;
  Reports reports;
  for (const auto& report : list) reports[report.value.node] = &report;
  bool all_serve = true;
  for (std::size_t i = 0; i <= rollout_.wave; ++i) {
    for (const fleet::RolloutNode& node : rollout_.waves[i].nodes) {
      if (node.state != fleet::NodeState::kCommitted) continue;
      if (auto why = gone(node, reports, now)) return why;
      const Seen& seen = seen_[node.node];
      all_serve = all_serve && seen.serves && !seen.missed;
    }
  }
  if (auto why = judged(reports)) return why;
  const auto observed = now - begun_ - away_;
  const std::chrono::seconds wanted(rollout_.options.observe_seconds);
  is_over_ = all_serve && observed >= wanted;
  if (!all_serve && observed >= wanted + timeouts.reach) {
    const auto silent =
        std::ranges::find_if(seen_, [](const auto& one) { return !one.second.serves || one.second.missed; });
    return fmt::format("{} does not report that it serves {}", silent->first, rollout_.order.version.label);
  }
  return std::nullopt;
}

std::optional<std::string> Observation::gone(const fleet::RolloutNode& node, const Reports& reports, Time now) {
  Seen& seen = seen_[node.node];
  const auto found = reports.find(node.node);
  if (found == reports.end()) {
    if (!seen.missed) seen.missed = now;
    if (now - *seen.missed < settings_.timeouts.reach) return std::nullopt;
    return fmt::format("{} does not report any more", node.node);
  }
  seen.missed.reset();
  const Known<fleet::NodeStatus>& report = *found->second;
  if (seen.revision != 0 && report.revision != seen.revision) ++seen.later_reports;
  seen.revision = report.revision;
  const fleet::ModuleStatus* status = report.value.find(rollout_.order.module);
  const bool serves = status != nullptr && is_version(*status);
  seen.serves = seen.serves || serves;
  const bool has_committed =
      rollout_.options.target == kAll && status != nullptr && status->reached >= rollout_.order.revision;
  if (!serves && (seen.serves || has_committed || seen.later_reports >= kSurelyLater)) {
    const std::string label = status == nullptr ? "nothing" : status->version.label;
    const std::string drift = status == nullptr || status->drift.empty() ? std::string() : ": " + status->drift;
    return fmt::format("{} serves {} instead of {}{}", node.node, label, rollout_.order.version.label, drift);
  }
  if (serves && !report.value.ready) return fmt::format("{} is not ready any more", node.node);
  return std::nullopt;
}

std::optional<std::string> Observation::judged(const Reports& reports) {
  const auto status_of = [&](std::string_view name) {
    const auto found = reports.find(name);
    return found == reports.end() ? nullptr : found->second->value.find(rollout_.order.module);
  };
  Totals wave;
  Totals baseline;
  for (const fleet::RolloutNode& node : rollout_.waves[rollout_.wave].nodes) {
    const fleet::ModuleStatus* status = status_of(node.node);
    if (status == nullptr || !status->counts || !is_version(*status)) continue;
    // Who served the version already has counted on.
    wave.add(node.unchanged && node.baseline ? since(*node.baseline, *status->counts) : *status->counts);
    if (node.baseline && !node.unchanged) baseline.add(*node.baseline);
  }
  Totals others;
  for (std::size_t i = rollout_.wave + 1; i < rollout_.waves.size(); ++i) {
    for (const fleet::RolloutNode& node : rollout_.waves[i].nodes) {
      const fleet::ModuleStatus* status = status_of(node.node);
      if (status == nullptr || !status->counts) continue;
      const std::string version = status->version.sha256 + status->version.config_sha256;
      const auto [other, is_new] = others_.try_emplace(node.node, Other{version, *status->counts});
      if (!is_new && other->second.version == version) others.add(since(other->second.counts, *status->counts));
    }
  }
  return judge(settings_.gates, wave, baseline, others);
}

}  // namespace secbeat::orchestrator
