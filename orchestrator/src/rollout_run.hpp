// One rollout, from the state in which its document says it is to its end. Each state is written before anything is
// done in it, and what is done in it may be done again: so whoever goes on begins the state anew.
//
//   staging ─► committing ─► observing ─► committing … ─► (the desired state is written) ─► done
//      │           │  ▲          │
//      ▼           ▼  │          ▼
//   failed,     paused ┘     reverting ─► reverted, aborted
//   aborted
//
// Thread safety: owned by one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "asking.hpp"
#include "held_rollout.hpp"

namespace secbeat::orchestrator {

class RolloutRun {
 public:
  RolloutRun(fleet::Connection& connection, const Settings& settings, HeldRollout& held)
      : connection_(connection), settings_(settings), held_(held) {}

  // Returns when the rollout has ended, is lost, or the orchestrator ends.
  void run();

 private:
  fleet::Rollout& rollout() { return held_.document(); }
  fleet::Wave& wave() { return rollout().waves[rollout().wave]; }

  // Each does one state; false: nothing more may be done.
  bool stage();
  bool commit();
  bool observe();
  bool pause();
  bool revert();
  bool desire();

  Heard ask(SubjectOf subject, const std::vector<std::string>& nodes, bool (RolloutRun::*check)());
  bool goes_on() { return held_.keep(); }
  bool goes_on_staging() { return held_.keep() && rollout().asked != fleet::Asked::kAbort; }

  void note(const Heard& heard, fleet::NodeState done);
  void plan_waves();
  void note_baselines();
  bool begin_wave();
  bool after_commit();
  bool next_wave();
  bool begin_revert(Error why);
  void note_reverted(const Heard& heard);
  bool take_back_desire();
  // Whether it was asked, and what that leads to in `result`.
  bool was_asked(fleet::RolloutState resumes, bool& result);
  bool end(fleet::RolloutState state, Error why);
  bool end(fleet::RolloutState state);

  fleet::Connection& connection_;
  const Settings& settings_;
  HeldRollout& held_;
};

}  // namespace secbeat::orchestrator
