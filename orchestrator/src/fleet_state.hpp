// What lies in JetStream of the fleet, read.
//
// Thread safety: free functions; as the connection.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"

namespace secbeat::orchestrator {

// A document, and the revision of its key for compare-and-set; 0: there is none.
template <class T>
struct Known {
  T value = {};
  std::uint64_t revision = 0;
};

// By name; a report that cannot be read is told in the log and left out.
Result<std::vector<Known<fleet::NodeStatus>>> read_nodes(fleet::Connection& connection);
Result<Known<fleet::Desired>> read_desired(fleet::Connection& connection);
Result<Known<fleet::Running>> read_running(fleet::Connection& connection, std::string_view module);
// By module.
Result<std::map<std::string, fleet::Running>> read_all_running(fleet::Connection& connection);
// kUnknownRollout.
Result<Known<fleet::Rollout>> read_rollout(fleet::Connection& connection, std::string_view id);

// The rollout that is under way; nothing: none is.
Result<std::optional<fleet::Rollout>> under_way(fleet::Connection& connection, const fleet::Running& running);

// "PREFIX-" and what nobody else has.
std::string new_id(std::string_view prefix);

}  // namespace secbeat::orchestrator
