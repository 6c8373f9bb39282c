// What the rehearsal has found out about an upload, held against the limits of [waf.wasm.gates] and the version that
// it would replace. These judge behaviour, so that force passes them.
//
// Thread safety: free functions without state.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/engine/inventory.hpp"
#include "secbeat/engine/rule_tests.hpp"

namespace secbeat::agent {

// Of a version, as the ledger keeps it for the next one to be compared with.
struct Measures {
  std::optional<engine::Cost> cost;
  std::optional<engine::Inventory> inventory;
};

// What an upload would replace.
struct Replaced {
  std::string label;  // empty: nothing
  Measures measures;
};

// Nothing where neither lists rules. A module that lists none any more has lost them all, as far as anybody can see.
std::optional<InventoryChange> compare(const std::optional<engine::Inventory>& now, const Replaced& before);

// kCostLimit over fuel_limit, or over max_cost_growth times the cost of what is replaced; names request, limit, value.
std::optional<Error> judge_cost(const GateLimits& limits, const std::optional<engine::Cost>& now,
                                const Replaced& before);

// kInventoryShrank where fewer rules than max_rules_lost_percent allows would be left of more than kFewRules.
std::optional<Error> judge_inventory(const GateLimits& limits, const std::optional<InventoryChange>& change);

// Of so few, every one may go: a percentage of them says nothing.
inline constexpr std::uint64_t kFewRules = 10;

// kRuleTestsFailed where one that the file has is decided otherwise, or where they could not be run; names them.
std::optional<Error> judge_rule_tests(const std::filesystem::path& file,
                                      const std::optional<engine::RuleTestReport>& tests);

// What the file of tests holds, or why it cannot be used.
Result<void> check_rule_tests(const std::filesystem::path& file);

// The ledger's text of a change, and back; empty and nothing for nothing. A text that does not parse is nothing.
std::string to_text(const std::optional<InventoryChange>& change);
std::optional<InventoryChange> change_from_text(std::string_view text);

}  // namespace secbeat::agent
