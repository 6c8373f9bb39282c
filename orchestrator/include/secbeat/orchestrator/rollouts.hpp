// Brings a version to the nodes of a fleet, in two phases: all nodes that can be reached get ready; only if all of them
// are, they swap, wave by wave. A wave that hurts is taken back with all before it. docs/fleet_protocol.md has what is
// said.
//
// All that a rollout needs is in JetStream, written by compare-and-set before each step: another orchestrator goes on
// with what one has left. One rollout a module runs at a time. The desired state changes once the last wave is through;
// a node that was away follows it when it is back.
//
// Thread safety: every method may be called from any thread. reload(), rollback() and sync() block their caller for as
// long as nodes work. Destruction ends the work on rollouts where it stands, as the end of the process does.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

class Rollouts {
 public:
  // `connection` outlives it.
  Rollouts(fleet::Connection& connection, Settings settings);
  ~Rollouts();
  Rollouts(const Rollouts&) = delete;
  Rollouts& operator=(const Rollouts&) = delete;

  // Makes the buckets that the fleet needs, where they are not there.
  [[nodiscard]] Result<void> prepare(int replicas) const;
  // From now on, rollouts that nobody works on any more are gone on with here.
  void take_over();
  // Whoever waits for a rollout here is let go: this orchestrator ends.
  void let_go();
  // Whether this orchestrator works on the rollout at this moment.
  [[nodiscard]] bool works_on(std::string_view id) const;

  // Who reports, by name; a report that cannot be read is told in the log and left out.
  [[nodiscard]] Result<std::vector<fleet::NodeStatus>> nodes() const;
  [[nodiscard]] Result<fleet::Desired> desired() const;
  // By module, what is desired and what each node serves.
  [[nodiscard]] Result<std::vector<ModuleVersions>> versions() const;

  [[nodiscard]] std::expected<FleetResult, FleetFailure> reload(const FleetReload& wanted);
  // The id of a rollout that goes on here.
  [[nodiscard]] std::expected<std::string, FleetFailure> begin(const FleetReload& wanted);
  // The rollout once it has ended; nothing: it goes on still. Whoever works on it.
  [[nodiscard]] Result<std::optional<fleet::Rollout>> wait(std::string_view id, std::chrono::milliseconds limit) const;
  [[nodiscard]] std::expected<FleetResult, FleetFailure> rollback(const FleetRollback& wanted);
  // Every node to the desired versions, whatever was done there; not while a rollout runs.
  [[nodiscard]] std::expected<SyncResult, FleetFailure> sync(const FleetSync& wanted);

  // Those kept, the one that changed last first.
  [[nodiscard]] Result<std::vector<fleet::Rollout>> list() const;
  // kUnknownRollout.
  [[nodiscard]] Result<fleet::Rollout> find(std::string_view id) const;
  // What is asked of who works on it, which does so before its next step: the answer is the rollout as it is now. An
  // abort takes back what was reached. kRolloutEnded: it has ended, or is not paused.
  [[nodiscard]] Result<fleet::Rollout> pause(std::string_view id);
  [[nodiscard]] Result<fleet::Rollout> resume(std::string_view id);
  [[nodiscard]] Result<fleet::Rollout> abort(std::string_view id);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// What came of a rollout. REQUIRES: has_ended(rollout.state).
[[nodiscard]] std::expected<FleetResult, FleetFailure> outcome_of(const fleet::Rollout& rollout);

}  // namespace secbeat::orchestrator
