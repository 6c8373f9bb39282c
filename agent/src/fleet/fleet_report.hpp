// What the node tells its fleet about itself.
//
// Thread safety: owned by one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "figures.hpp"
#include "fleet_follower.hpp"
#include "reached.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

class FleetReport {
 public:
  // All outlive it.
  FleetReport(const Config& config, const Reloader& reloader, const control::Scoreboard& scoreboard, const Clock& clock,
              const Reached& reached, const FleetFollower& follower)
      : config_(config),
        reloader_(reloader),
        scoreboard_(scoreboard),
        clock_(clock),
        reached_(reached),
        follower_(follower) {}

  [[nodiscard]] fleet::NodeStatus make();
  // Something else serves than make() has told last.
  [[nodiscard]] bool is_outdated() const;

 private:
  // What a version has counted, as it was seen within the last seconds.
  struct Window {
    std::uint64_t version_id = 0;
    std::deque<std::pair<SteadyTime, Figures>> steps = {};
  };
  // What only another generation changes.
  struct Known {
    std::uint64_t generation = 0;
    std::uint64_t highest_label = 0;
    std::uint64_t config_size_bytes = 0;
  };

  [[nodiscard]] fleet::ModuleStatus status_of(const VersionView& view, const control::InForce& document);
  [[nodiscard]] fleet::Counts counts_of(const std::string& module, std::uint64_t version_id);
  [[nodiscard]] const Known& known_of(const VersionView& view);
  [[nodiscard]] std::string last_change(const std::string& module) const;
  [[nodiscard]] std::string drift_of(const fleet::ModuleStatus& status, const ReachedRevision& reached) const;

  const Config& config_;
  const Reloader& reloader_;
  const control::Scoreboard& scoreboard_;
  const Clock& clock_;
  const Reached& reached_;
  const FleetFollower& follower_;

  std::map<std::string, Window, std::less<>> windows_;
  std::map<std::string, Known, std::less<>> known_;
  std::uint64_t told_generation_ = 0;
  bool told_ready_ = false;
};

}  // namespace secbeat::agent
