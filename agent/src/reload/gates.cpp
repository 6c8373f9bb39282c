#include "gates.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using engine::Inventory;
using engine::InventoryRule;
using Json = nlohmann::json;

void tell(std::vector<std::string>& ids, const InventoryRule& rule) {
  if (ids.size() < InventoryChange::kMostRulesTold) ids.push_back(rule.id);
}

// The library would turn any number into one.
std::uint64_t count_of(const Json& json, const char* key) {
  return json.at(key).get_ref<const Json::number_unsigned_t&>();
}

std::string fuel_text(const engine::Cost& cost) {
  return fmt::format("{}{} fuel", cost.at_least ? "at least " : "", cost.fuel);
}

}  // namespace

std::optional<InventoryChange> compare(const std::optional<Inventory>& now, const Replaced& before) {
  const std::optional<Inventory>& old = before.measures.inventory;
  if (!now && !old) return std::nullopt;
  static const Inventory kNone;
  const Inventory& rules = now ? *now : kNone;
  InventoryChange change;
  change.rules = rules.size();
  if (!old) return change;
  change.compared_with = before.label;
  change.rules_before = old->size();
  std::unordered_map<std::string_view, const InventoryRule*> gone;
  for (const InventoryRule& rule : *old) gone.emplace(rule.id, &rule);
  for (const InventoryRule& rule : rules) {
    const auto known = gone.find(rule.id);
    if (known == gone.end()) {
      ++change.added;
      tell(change.added_ids, rule);
      continue;
    }
    if (*known->second != rule) {
      ++change.changed;
      tell(change.changed_ids, rule);
    }
    gone.erase(known);
  }
  change.removed = gone.size();
  for (const InventoryRule& rule : *old) {
    if (gone.contains(rule.id)) tell(change.removed_ids, rule);
  }
  return change;
}

std::optional<Error> judge_cost(const GateLimits& limits, const std::optional<engine::Cost>& now,
                                const Replaced& before) {
  if (!now) return std::nullopt;
  if (limits.fuel_limit > 0 && now->fuel > limits.fuel_limit) {
    return Error{ErrorCode::kCostLimit,
                 fmt::format("The sample request {} costs {}, the limit is {} (fuel_limit): make the rules cheaper, or "
                             "force the reload",
                             now->request, fuel_text(*now), limits.fuel_limit)};
  }
  const std::optional<engine::Cost>& old = before.measures.cost;
  if (!old || limits.max_cost_growth == 0 || now->fuel <= limits.cost_floor) return std::nullopt;
  const double most = static_cast<double>(old->fuel) * limits.max_cost_growth;
  if (static_cast<double>(now->fuel) <= most) return std::nullopt;
  return Error{
      ErrorCode::kCostLimit,
      fmt::format("The sample request {} costs {}; the most expensive one of {} costs {} ({}), and the limit is "
                  "{:g} times that (max_cost_growth): make the rules cheaper, or force the reload",
                  now->request, fuel_text(*now), before.label, fuel_text(*old), old->request, limits.max_cost_growth)};
}

std::optional<Error> judge_inventory(const GateLimits& limits, const std::optional<InventoryChange>& change) {
  if (!change || change->compared_with.empty() || limits.max_rules_lost_percent == 0) return std::nullopt;
  if (change->rules_before <= kFewRules || change->rules >= change->rules_before) return std::nullopt;
  const auto before = static_cast<double>(change->rules_before);
  const double lost = 100 * (before - static_cast<double>(change->rules)) / before;
  if (lost <= limits.max_rules_lost_percent) return std::nullopt;
  return Error{
      ErrorCode::kInventoryShrank,
      fmt::format("{} rules would be left of the {} of {}, {:.1f} % fewer; the limit is {:g} % "
                  "(max_rules_lost_percent): look whether rules are missing, or force the reload",
                  change->rules, change->rules_before, change->compared_with, lost, limits.max_rules_lost_percent)};
}

std::optional<Error> judge_rule_tests(const std::filesystem::path& file,
                                      const std::optional<engine::RuleTestReport>& tests) {
  if (file.empty()) return std::nullopt;
  if (tests && passed(*tests)) return std::nullopt;
  if (tests && tests->failed == 0) {
    return Error{
        ErrorCode::kRuleTestsFailed,
        fmt::format("{}, which is half of compile_timeout_seconds; make {} smaller, raise that limit, or force "
                    "the reload",
                    summary(*tests), file.string())};
  }
  if (tests) {
    return Error{
        ErrorCode::kRuleTestsFailed,
        fmt::format("{}; correct the rules, or the tests in {}, or force the reload", summary(*tests), file.string())};
  }
  const auto readable = check_rule_tests(file);
  return Error{ErrorCode::kRuleTestsFailed,
               fmt::format("The rule tests {} cannot be run: {}; mend the file, or force the reload", file.string(),
                           readable ? "they were not there when the rehearsal began" : readable.error().message)};
}

Result<void> check_rule_tests(const std::filesystem::path& file) {
  const auto text = read_file(file, engine::kMaxRuleTestsBytes);
  if (!text) return std::unexpected(text.error());
  const auto tests = engine::read_rule_tests(*text);
  if (!tests) return std::unexpected(tests.error());
  return {};
}

std::string to_text(const std::optional<InventoryChange>& change) {
  if (!change) return {};
  const Json json = {{"rules", change->rules},
                     {"compared_with", change->compared_with},
                     {"rules_before", change->rules_before},
                     {"added", change->added},
                     {"removed", change->removed},
                     {"changed", change->changed},
                     {"added_ids", change->added_ids},
                     {"removed_ids", change->removed_ids},
                     {"changed_ids", change->changed_ids}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<InventoryChange> change_from_text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  try {
    const Json json = Json::parse(text);
    InventoryChange change;
    change.rules = count_of(json, "rules");
    json.at("compared_with").get_to(change.compared_with);
    change.rules_before = count_of(json, "rules_before");
    change.added = count_of(json, "added");
    change.removed = count_of(json, "removed");
    change.changed = count_of(json, "changed");
    json.at("added_ids").get_to(change.added_ids);
    json.at("removed_ids").get_to(change.removed_ids);
    json.at("changed_ids").get_to(change.changed_ids);
    return change;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace secbeat::agent
