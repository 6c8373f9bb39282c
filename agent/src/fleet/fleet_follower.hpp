// Follows the desired state of the fleet: looks at it again and again, and at once when it is woken.
//
// What cannot be followed is tried again ever more rarely. Whatever is gone, older or damaged changes nothing.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "fleet_changes.hpp"
#include "secbeat/base/clock.hpp"

namespace secbeat::agent {

struct FollowedModule {
  std::optional<fleet::DesiredModule> wanted;  // as it was read last; empty: the fleet wants nothing of it
  std::string failing;                         // why its revision cannot be followed; empty: it can, or was not tried
};

class FleetFollower {
 public:
  // `changed` is called after an attempt to follow. All outlive it.
  FleetFollower(fleet::Connection& connection, FleetChanges& changes, const Clock& clock,
                std::function<void()> changed);
  ~FleetFollower() = default;
  FleetFollower(const FleetFollower&) = delete;
  FleetFollower& operator=(const FleetFollower&) = delete;

  void wake();
  [[nodiscard]] FollowedModule view(std::string_view module) const;

 private:
  // A module's desired revision that could not be followed.
  struct Failed {
    std::uint64_t revision = 0;
    std::chrono::seconds pause{0};
    SteadyTime again;
    std::string why;
  };

  void run(const std::stop_token& ending);
  void look();
  void follow(const fleet::DesiredModule& wanted);
  [[nodiscard]] bool is_to_wait(const fleet::DesiredModule& wanted) const;

  fleet::Connection& connection_;
  FleetChanges& changes_;
  const Clock& clock_;
  const std::function<void()> changed_;

  mutable std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ = false;                                  // guarded by mutex_
  fleet::Desired desired_;                             // guarded by mutex_; as it was read last
  std::map<std::string, Failed, std::less<>> failed_;  // guarded by mutex_

  std::string said_;  // owned by thread_: why the desired state could not be read

  std::jthread thread_;  // last: it uses what stands above
};

}  // namespace secbeat::agent
