// Brings a version to every node of a fleet, in two phases: all nodes that can be reached get ready; only if all of
// them are does any of them swap. docs/fleet_protocol.md has what is said.
//
// What a rollout needs of the past is in JetStream: desired state, written by compare-and-set, and what the nodes
// report. A node that was not reached follows the desired state when it is back.
//
// Thread safety: every method may be called from any thread; reload() blocks its caller for as long as nodes work, each
// at most Timeouts::work.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::orchestrator {

struct Timeouts {
  std::chrono::milliseconds reach{10000};  // stage_timeout_seconds: who says nothing for so long is unreachable
  std::chrono::milliseconds work{45000};   // compile_timeout_seconds + 15
  std::chrono::milliseconds ask{100};      // between two questions
};

struct FleetReload {
  std::string module;
  std::string file;    // the module's bytes
  std::string config;  // empty: none
  std::optional<std::string> embedded_version;
  std::string expected_version;  // empty: any
  std::string reason;
  std::string by;
  bool forced = false;
};

struct NodeFailure {
  std::string node;
  std::string error;
  std::string code;  // "unreachable", or the node's own

  bool operator==(const NodeFailure&) const = default;
};

struct FleetResult {
  std::string rollout;
  std::string version;
  std::uint64_t revision = 0;
  std::vector<std::string> deployed_to = {};
  std::vector<NodeFailure> failed = {};
  std::uint64_t total_downtime_ms = 0;  // the sum of what the nodes measured
};

// kNothingSwapped: what serves is what served before, on every node. kPartly: some nodes have swapped and follow no
// desired state yet: reload again, or back.
enum class FailedIn : std::uint8_t { kNothingSwapped, kPartly };
struct FleetFailure {
  Error error;
  std::string code;  // for programs: "no_nodes", "stage_failed", "commit_failed", else the error's
  FailedIn in = FailedIn::kNothingSwapped;
  std::vector<NodeFailure> nodes = {};
};

class Rollouts {
 public:
  // `connection` outlives it.
  Rollouts(fleet::Connection& connection, Timeouts timeouts) : connection_(connection), timeouts_(timeouts) {}

  // Makes the buckets that the fleet needs, where they are not there.
  [[nodiscard]] Result<void> prepare(int replicas) const;
  // Who reports, by name; a report that cannot be read is told in the log and left out.
  [[nodiscard]] Result<std::vector<fleet::NodeStatus>> nodes() const;
  [[nodiscard]] std::expected<FleetResult, FleetFailure> reload(const FleetReload& wanted) const;

 private:
  fleet::Connection& connection_;
  const Timeouts timeouts_;
};

}  // namespace secbeat::orchestrator
