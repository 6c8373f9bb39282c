// What the nodes report while a wave is observed. Times are this machine's alone; an observation that somebody else
// goes on with begins anew.
//
// Thread safety: owned by one thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fleet_state.hpp"
#include "gates.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

class Observation {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Both outlive it.
  Observation(const fleet::Rollout& rollout, const Settings& settings, Time begun)
      : rollout_(rollout), settings_(settings), begun_(begun), looked_(begun) {}

  // Why the wave hurts; nothing: not so far. Time in which nobody could look, as NATS was away, is not observed, and no
  // node is to blame for reports that have run out meanwhile.
  std::optional<std::string> look(const std::vector<Known<fleet::NodeStatus>>& reports, Time asked, Time now);
  [[nodiscard]] bool is_over() const { return is_over_; }

 private:
  struct Seen {
    bool serves = false;              // has reported the version
    std::uint64_t revision = 0;       // of the last report
    std::size_t later_reports = 0;    // since the first look
    std::optional<Time> missed = {};  // since when it does not report
  };
  struct Other {
    std::string version;
    fleet::Counts counts;
  };
  using Reports = std::map<std::string_view, const Known<fleet::NodeStatus>*>;

  // Whether each node that has swapped serves what it was told to.
  std::optional<std::string> gone(const fleet::RolloutNode& node, const Reports& reports, Time now);
  [[nodiscard]] std::optional<std::string> judged(const Reports& reports);
  [[nodiscard]] bool is_version(const fleet::ModuleStatus& status) const;

  const fleet::Rollout& rollout_;
  const Settings& settings_;
  const Time begun_;
  Time looked_;                                  // the end of the last look
  std::chrono::steady_clock::duration away_{0};  // in which nobody looked
  std::map<std::string, Seen, std::less<>> seen_;
  std::map<std::string, Other, std::less<>> others_;  // at the first look
  bool is_over_ = false;
};

}  // namespace secbeat::orchestrator
