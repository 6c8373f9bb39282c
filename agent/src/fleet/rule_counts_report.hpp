// What a node answers about its rules when an orchestrator asks.
//
// Thread safety: a free function without state.
#pragma once

#include <string>
#include <vector>

#include "secbeat/agent/rule_memory.hpp"
#include "secbeat/fleet/rules.hpp"

namespace secbeat::agent {

// Of universal-waf's rules; where there are more than fit, those that decided last.
fleet::RuleCounts rule_counts(const std::string& node, const std::vector<RuleTally>& tallies);

}  // namespace secbeat::agent
