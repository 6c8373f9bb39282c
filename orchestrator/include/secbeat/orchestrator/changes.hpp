// What can be wanted of a fleet, and what came of it.
//
// Value types; thread safety as for std::string.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"

namespace secbeat::orchestrator {

struct Timeouts {
  std::chrono::milliseconds reach{10000};  // stage_timeout_seconds: who says nothing for so long is unreachable
  std::chrono::milliseconds work{45000};   // compile_timeout_seconds + 15
  std::chrono::milliseconds ask{100};      // between two questions to a node that works
  std::chrono::milliseconds answer{2000};  // of one question; then it is asked again
  std::chrono::milliseconds look{1000};    // between two looks at what the nodes of a wave report
  std::chrono::milliseconds beat{3000};    // how often who works on a rollout says that it lives
  std::chrono::milliseconds lease{15000};  // who has not said so for so long has ended, and another one goes on
};

// When a wave hurts. Shares are held against what the wave's nodes served before and against the nodes not yet reached:
// a gate fails where both are surpassed, as far as there are both.
struct GateLimits {
  std::uint64_t min_errors = 20;              // errors of any kind …
  double error_percent = 5;                   // … that are at least this part of the requests
  std::uint64_t min_requests = 500;           // below so many of the wave, shares and times are not judged
  std::uint64_t min_baseline_requests = 500;  // the same of what they are held against
  double block_percent = 25;                  // points that the share of blocked and rate-limited requests may rise
  double p99_factor = 5;                      // times the p99 of inspection may rise; 0: no limit
  std::uint64_t p99_floor_ns = 2'000'000;     // a p99 below it is never too long
};

struct Settings {
  Timeouts timeouts = {};
  GateLimits gates = {};
  std::string name = {};  // of this orchestrator, to be shown; it need not be unique
  // Whether a rollout that has ended need not be kept for an archive; empty: there is none.
  std::function<bool(const fleet::Rollout& rollout)> is_archived = {};
};

struct FleetReload {
  std::string module;
  std::string file;    // the module's bytes
  std::string config;  // empty: none
  std::optional<std::string> embedded_version;
  // Of the file, the text of a file .sig, which each node checks by its own keys; empty: that of what is desired, where
  // the bytes are the same.
  std::string signature = {};
  std::string expected_version;  // empty: any
  std::string reason;
  std::string by;
  bool forced = false;
  bool edits_rules = false;                    // as Order says
  std::optional<std::uint64_t> based_on = {};  // only where the module's desired revision is this (0: none is) still
  fleet::RolloutOptions options = {};          // a target other than "all" leaves the desired state as it is
};

// Back to a version that was desired before, at once: in one wave, without staging and gates. A rollout of the module
// that is under way is aborted first; without `to_version` that is all that is wanted, once the reached nodes are back.
struct FleetRollback {
  std::string module;
  std::string to_version = {};  // label; empty: the one before
  std::string reason = {};
  std::string by = {};
  std::string target = "all";
};

struct FleetSync {
  std::string module = {};  // empty: all
  std::string reason = {};
  std::string by = {};
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
  std::vector<std::vector<std::string>> waves = {};  // the nodes of each
  std::uint64_t total_downtime_ms = 0;               // the sum of what the nodes measured
};

// kNothingSwapped: what serves is what served before, on every node. kReverted: the nodes that had swapped are back.
// kPartly: not all of them are; `nodes` says which, sync() brings them back. kUnknown: nobody can say at this moment;
// the rollout says so later.
enum class FailedIn : std::uint8_t { kNothingSwapped, kReverted, kPartly, kUnknown };
struct FleetFailure {
  // kReloadInProgress: another rollout of the module runs, which `rollout` names.
  Error error;
  FailedIn in = FailedIn::kNothingSwapped;
  std::vector<NodeFailure> nodes = {};
  std::string rollout = {};
  std::vector<std::string> reverted = {};
};

struct SyncResult {
  fleet::Desired desired;
  std::vector<std::string> synced = {};
  std::vector<std::string> already_current = {};
  std::vector<NodeFailure> failed = {};
  std::vector<NodeFailure> unreachable = {};
};

struct NodeVersion {
  std::string node;
  fleet::VersionRef version;  // that serves; its label is empty where the node has no such module
  std::string drift = {};     // why it is not what is desired; empty: it is, or nothing is desired
};

struct ModuleVersions {
  std::string module;
  std::optional<fleet::DesiredModule> desired;
  std::vector<NodeVersion> nodes = {};
};

}  // namespace secbeat::orchestrator
