// Places between the steps of an operation at which a test ends the process, as a crash would.
//
//   fault_point("file.written");
//
// In what is shipped the function is empty. The programs below faults/ of a build are the same objects, linked with the
// one that works (base/faults/fault_point.cpp); tests/node/test_crash_points.py and
// tests/fleet/test_orchestrator_crashes.py end each of them at every place of the table. None is on the way of a
// request.
//
// Thread safety: any thread.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace secbeat {

// In the order in which a reload comes by, or the watch that takes its version back; each is hit by a test.
inline constexpr std::array<std::string_view, 56> kFaultPoints = {
    // the agent, until workers are asked
    "reload.bytes_in_work",
    // the compile child
    "child.started",
    "child.compiled",
    "child.rehearsed",
    "child.artifact_written",
    "child.reported",
    // the agent again
    "reload.checked",
    "reload.module_kept",
    "reload.config_kept",
    "reload.artifact_moved",
    "ledger.numbers_reserved",
    "stage.first_worker_told",
    "stage.files_durable",
    // a worker
    "worker.stage_received",
    "worker.artifact_read",
    "worker.instance_made",
    "worker.staged",
    // the agent
    "stage.done",
    "ledger.intent_before_commit",
    "ledger.intent_written",
    "file.written",
    "file.renamed",
    "commit.in_force_written",
    "commit.first_worker_told",
    // a worker
    "worker.commit_received",
    "worker.chain_handed_over",
    "worker.loop_swapped",
    "worker.serving_told",
    // the agent
    "commit.acknowledged",
    "ledger.success_before_commit",
    "ledger.success_written",
    "garbage.modules_removed",
    "garbage.removed",
    // a rollback, and the watch's around it
    "watch.judged",
    "rollback.demanded",
    "watch.taken_back",
    "watch.noted",
    // the agent's start
    "start.ledger_repaired",
    "start.in_force",
    "start.nginx_runs",
    // an orchestrator, from the call to the end of the rollout
    "rollout.written",
    "rollout.claimed",
    "rollout.staged",
    "rollout.planned",
    "rollout.wave_begun",
    "rollout.wave_committed",
    "rollout.observing",
    "rollout.observed",
    "rollout.paused",
    "rollout.resumed",
    "rollout.desired",
    "rollout.announced",
    "rollout.reverting",
    "rollout.nodes_taken_back",
    "rollout.desire_taken_back",
    "rollout.ended",
};

// A name of the table; anything else does not compile.
class FaultPoint {
 public:
  template <std::size_t N>
  consteval FaultPoint(const char (&name)[N]) : name_(name, N - 1) {  // NOLINT(google-explicit-constructor)
    if (std::ranges::find(kFaultPoints, name_) == kFaultPoints.end()) throw "a fault point that is not in the table";
  }
  [[nodiscard]] constexpr std::string_view name() const noexcept { return name_; }

 private:
  std::string_view name_;
};

void fault_point(FaultPoint point) noexcept;

}  // namespace secbeat
