// The thread that works on edits of rules and tells of those that have ended.
//
// Thread safety: as FleetRules.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "arrivals.hpp"
#include "desired_rules.hpp"
#include "ended_rules.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {

class FleetRules::Impl {
 public:
  explicit Impl(Parts parts);
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const RuleLimits& limits() const { return parts_.limits; }
  [[nodiscard]] fleet::Connection& connection() const { return parts_.connection; }
  void start();
  void stop();
  Result<FleetRulesNow> in_force();
  [[nodiscard]] Result<CountedRules> counts() const;
  bool submit(FleetRuleEdit edit, Done done);

 private:
  struct Waiting {
    FleetRuleEdit edit;
    Done done;
    std::optional<FleetRuleOutcome> outcome = {};
    bool is_counted = false;  // as a new one
    bool is_told = false;     // in the log, as the next
    bool is_written = false;
  };
  using Batch = std::vector<std::unique_ptr<Waiting>>;
  using Some = std::vector<Waiting*>;
  // What edits are made on, and what comes of them.
  struct Base {
    DesiredRules rules;  // without what has ended
    std::vector<std::string> dropped = {};
    fleet::EnteredRules entered = {};
    std::optional<Error> unread = {};  // why what waits cannot be read; then `entered` has nothing
  };

  static void answer(const Waiting& waiting, const FleetRuleOutcome& outcome);
  [[nodiscard]] FleetRuleOutcome too_many_come(std::uint32_t wait) const;
  void run(const std::stop_token& ending);
  void look_for_ended();
  Batch next_batch();
  void work(const Batch& batch);
  void work_once(const Some& some);
  Some apply_all(const Some& some, Base& base);
  void finish(const Some& done, const Base& before, const Base& edited,
              const std::expected<FleetResult, FleetFailure>& result);
  [[nodiscard]] FleetRuleChange change_of(const Waiting& waiting, const Base& edited) const;

  // fleet_rules_edits.cpp
  Result<Base> base();
  // Nothing is wrong, and the edit is for the rollout; or its outcome is set.
  bool apply(Waiting& waiting, Base& base);
  bool add(Waiting& waiting, agent::RuleJson rule, Base& base);
  bool enter(Waiting& waiting, const Base& base);
  bool deploy(Waiting& waiting, Base& base);
  bool remove(Waiting& waiting, Base& base);
  bool is_welcome(Waiting& waiting);
  bool is_matched(Waiting& waiting, const Base& base);

  // fleet_rules_rollout.cpp
  std::expected<FleetResult, FleetFailure> bring_into_force(const Some& done, const Base& before, const Base& edited);
  std::expected<std::string, FleetFailure> begin(const FleetReload& wanted);
  std::expected<FleetResult, FleetFailure> end_of(const std::string& rollout);
  [[nodiscard]] bool is_stopping() const { return ending_.stop_requested(); }

  // constant after construction
  const Parts parts_;

  DesiredRulesReader desired_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::unique_ptr<Waiting>> waiting_;  // guarded by mutex_
  bool is_open_ = false;                          // guarded by mutex_: somebody works on what waits
  Arrivals arrivals_;                             // guarded by mutex_

  // owned by thread_
  EndedRules ended_;
  std::stop_token ending_;

  std::jthread thread_;
};

inline std::unexpected<FleetRuleFailure> refused(Error error, std::uint32_t retry_after_seconds = 0) {
  return std::unexpected(FleetRuleFailure{{.error = std::move(error)}, retry_after_seconds});
}

}  // namespace secbeat::orchestrator
