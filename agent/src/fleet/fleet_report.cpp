#include "fleet_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "secbeat/base/build_id.hpp"

namespace secbeat::agent {
namespace {

constexpr std::chrono::seconds kWindow{10};  // of times of inspection
constexpr std::uint32_t kVersionsLookedAt = 1000;
constexpr std::uint32_t kChangesLookedAt = 50;  // of the history, for the last change
constexpr double kNanosecondsPerMicrosecond = 1000;

std::uint64_t number_of(std::string_view label) {
  std::uint64_t number = 0;
  if (!label.starts_with('v')) return 0;
  const std::string_view digits = label.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc{} && end == digits.data() + digits.size() ? number : 0;
}

}  // namespace

bool FleetReport::is_outdated() const {
  return reloader_.in_force().generation != told_generation_ || reloader_.ready() != told_ready_;
}

fleet::NodeStatus FleetReport::make() {
  const control::InForce document = reloader_.in_force();
  told_generation_ = document.generation;
  told_ready_ = reloader_.ready();
  fleet::NodeStatus status{.node = config_.node_name,
                           .labels = config_.labels,
                           .build = std::string(build_id()),
                           .reported_at = rfc3339(clock_.now()),
                           .ready = told_ready_};
  for (const VersionView& view : reloader_.modules()) status.modules.push_back(status_of(view, document));
  return status;
}

fleet::ModuleStatus FleetReport::status_of(const VersionView& view, const control::InForce& document) {
  const Known& known = known_of(view);
  const ReachedRevision reached = reached_.of(view.name);
  fleet::ModuleStatus status{.name = view.name,
                             .version = {.label = view.version,
                                         .sha256 = view.sha256,
                                         .size_bytes = view.size_bytes,
                                         .config_sha256 = view.config_sha256,
                                         .config_size_bytes = known.config_size_bytes},
                             .reached = reached.revision,
                             .highest_label = known.highest_label};
  const control::Slot* slot = document.find(view.name);
  if (slot != nullptr && slot->current != 0) status.counts = counts_of(view.name, slot->current);
  status.drift = drift_of(status, reached);
  return status;
}

fleet::Counts FleetReport::counts_of(const std::string& module, std::uint64_t version_id) {
  const Figures now = figures_of(scoreboard_, version_id);
  const SteadyTime time = clock_.steady();
  Window& window = windows_[module];
  if (window.version_id != version_id) window = {.version_id = version_id};
  window.steps.emplace_back(time, now);
  // The first one stays that is as old as the window.
  while (window.steps.size() > 1 && time - window.steps[1].first >= kWindow) window.steps.pop_front();
  const double p99_us = (now - window.steps.front().second).p99_us().value_or(0);
  const WatchFigures view = view_of(now);
  const auto share = [&](double percent) {
    return static_cast<std::uint64_t>(std::llround(percent * static_cast<double>(view.requests) / 100));
  };
  return {.inspected = view.requests,
          .blocked = share(view.block_percent),
          .rate_limited = share(view.rate_limit_percent),
          .errors = now.failed(),
          .p99_ns = static_cast<std::uint64_t>(std::llround(p99_us * kNanosecondsPerMicrosecond))};
}

const FleetReport::Known& FleetReport::known_of(const VersionView& view) {
  Known& known = known_[view.name];
  if (known.generation == view.generation) return known;
  known = {.generation = view.generation, .highest_label = std::max(known.highest_label, number_of(view.version))};
  if (const auto config = reloader_.config_bytes(view.config_sha256)) known.config_size_bytes = config->size();
  if (const auto versions = reloader_.versions(view.name, Page{.limit = kVersionsLookedAt, .before = {}})) {
    for (const KnownVersion& version : versions->versions) {
      known.highest_label = std::max(known.highest_label, number_of(version.version));
    }
  }
  return known;
}

std::string FleetReport::last_change(const std::string& module) const {
  const auto rows = reloader_.history(module, Page{.limit = kChangesLookedAt, .before = {}});
  if (!rows) return "changed on the node itself";
  const auto row =
      std::ranges::find_if(*rows, [](const HistoryRow& one) { return one.success && one.version != one.from_version; });
  if (row == rows->end()) return "changed on the node itself";
  if (row->kind == "auto_rollback") return fmt::format("{} was taken back: {}", row->from_version, row->reason);
  return fmt::format("changed on the node itself: {} by {}: {}", row->kind, row->by, row->reason);
}

std::string FleetReport::drift_of(const fleet::ModuleStatus& status, const ReachedRevision& reached) const {
  const FollowedModule followed = follower_.view(status.name);
  const auto serves = [&](const std::string& sha256, const std::string& config_sha256) {
    return status.version.sha256 == sha256 && status.version.config_sha256 == config_sha256;
  };
  if (reached.ahead && (!followed.wanted || followed.wanted->revision < reached.revision)) {
    return serves(reached.sha256, reached.config_sha256) ? std::string() : last_change(status.name);
  }
  if (!followed.wanted || serves(followed.wanted->version.sha256, followed.wanted->version.config_sha256)) return {};
  if (followed.wanted->revision <= reached.revision) {
    // By a rollout to some of the nodes, whose order has the revision that is desired.
    if (reached.ahead && serves(reached.sha256, reached.config_sha256)) {
      return fmt::format("rollout {} brought {} to some of the nodes", reached.rollout, status.version.label);
    }
    return last_change(status.name);
  }
  return followed.failing.empty() ? "catching up" : followed.failing;
}

}  // namespace secbeat::agent
