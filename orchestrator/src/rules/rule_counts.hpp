// What the nodes have counted of their rules, asked of all of them at once.
//
// Thread safety: a free function; as the connection.
#pragma once

#include <string>
#include <vector>

#include "secbeat/fleet/connection.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {

// Who says nothing within two seconds is silent.
Result<CountedRules> ask_rule_counts(fleet::Connection& connection, const std::vector<std::string>& nodes);

}  // namespace secbeat::orchestrator
