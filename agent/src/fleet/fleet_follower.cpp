#include "fleet_follower.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "secbeat/fleet/names.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLookEvery{2000};
constexpr unsigned kLookJitterMs = 500;  // on top of it: not all nodes at the same moment
// After an attempt that failed; doubled with each, up to the second.
constexpr std::chrono::seconds kFirstPause{2};
constexpr std::chrono::seconds kLongestPause{300};

}  // namespace

FleetFollower::FleetFollower(fleet::Connection& connection, FleetChanges& changes, const Clock& clock,
                             std::function<void()> changed)
    : connection_(connection),
      changes_(changes),
      clock_(clock),
      changed_(std::move(changed)),
      thread_([this](const std::stop_token& ending) { run(ending); }) {}

void FleetFollower::wake() {
  const std::scoped_lock lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

FollowedModule FleetFollower::view(std::string_view module) const {
  const std::scoped_lock lock(mutex_);
  FollowedModule view;
  if (const fleet::DesiredModule* wanted = desired_.find(module)) view.wanted = *wanted;
  const auto failed = failed_.find(module);
  if (view.wanted && failed != failed_.end() && failed->second.revision == view.wanted->revision) {
    view.failing = failed->second.why;
  }
  return view;
}

void FleetFollower::run(const std::stop_token& ending) {
  std::minstd_rand random{std::random_device{}()};
  while (!ending.stop_requested()) {
    try {
      if (connection_.connected()) look();
    } catch (const std::exception& error) {  // tried again at the next look
      spdlog::error("fleet: {}", error.what());
    }
    const auto pause = kLookEvery + std::chrono::milliseconds(random() % kLookJitterMs);
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, pause, [this] { return wake_; });
    wake_ = false;
  }
}

void FleetFollower::look() {
  auto entry = connection_.get(fleet::kDesiredBucket, fleet::kDesiredKey);
  auto desired = !entry   ? Result<fleet::Desired>(std::unexpected(entry.error()))
                 : *entry ? fleet::desired_from_json((*entry)->value)
                          : Result<fleet::Desired>(fleet::Desired{});
  if (!desired) {
    if (said_ != desired.error().message) {
      said_ = desired.error().message;
      spdlog::warn("fleet: the desired state cannot be read, the node goes on with what it serves: {}", said_);
    }
    return;
  }
  said_.clear();
  {
    const std::scoped_lock lock(mutex_);
    desired_ = *desired;
  }
  for (const fleet::DesiredModule& module : desired->modules) {
    if (!is_to_wait(module)) follow(module);
  }
}

bool FleetFollower::is_to_wait(const fleet::DesiredModule& wanted) const {
  const std::scoped_lock lock(mutex_);
  const auto failed = failed_.find(wanted.name);
  return failed != failed_.end() && failed->second.revision == wanted.revision &&
         clock_.steady() < failed->second.again;
}

void FleetFollower::follow(const fleet::DesiredModule& wanted) {
  const auto change = changes_.follow(wanted);
  if (change) {
    const std::scoped_lock lock(mutex_);
    failed_.erase(wanted.name);
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    Failed& failed = failed_[wanted.name];
    const bool is_new = failed.revision != wanted.revision;
    // A look at that costs nothing.
    const bool is_frozen =
        change.error().code == ErrorCode::kFrozen || change.error().code == ErrorCode::kHotReloadDisabled;
    failed.pause = is_new || is_frozen ? kFirstPause : std::min(kLongestPause, failed.pause * 2);
    const bool is_known = !is_new && failed.why == change.error().message;
    failed.revision = wanted.revision;
    failed.again = clock_.steady() + failed.pause;
    failed.why = change.error().message;
    if (is_known && is_frozen) return;
    spdlog::warn("fleet: {} cannot follow desired revision {}, tried again in {} s: {}", wanted.name, wanted.revision,
                 failed.pause.count(), failed.why);
  }
  changed_();
}

}  // namespace secbeat::agent
