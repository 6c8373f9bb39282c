// GET /api/v1/rules/active, /api/v1/rules/stats
#include <map>

#include "api_documents.hpp"
#include "api_routes.hpp"
#include "rules/rule_book.hpp"

namespace secbeat::agent {
namespace {

// Those of universal-waf, by rule.
std::map<std::string, RuleTally> tallies_of(const ApiContext& context) {
  std::map<std::string, RuleTally> tallies;
  if (context.records == nullptr) return tallies;
  for (RuleTally& tally : context.records->tallies()) {
    if (tally.module == kRulesModule) tallies.emplace(tally.rule, std::move(tally));
  }
  return tallies;
}

ActiveRule active_rule(const RuleJson& rule, const std::map<std::string, RuleTally>& tallies) {
  ActiveRule active{.id = id_of_rule(rule),
                    .pattern = pattern_of_rule(rule),
                    .created_at = text_in_rule(rule, "created_at"),
                    .expires_at = std::nullopt,
                    .last_match_at = std::nullopt,
                    .action = text_in_rule(rule, "action").value_or("")};
  if (const auto end = end_of_rule(rule)) active.expires_at = rfc3339(*end);
  const auto found = tallies.find(active.id);
  if (found == tallies.end()) return active;
  const RuleTally& tally = found->second;
  active.blocks = tally.total[0];
  active.logs = tally.total[1];
  active.rate_limits = tally.total[2];
  if (tally.last_unix_ms != 0) active.last_match_at = time_of_unix_ms(tally.last_unix_ms);
  return active;
}

}  // namespace

HttpResponse handle_active_rules(const ApiContext& context, HttpRequest& /*request*/) {
  const auto now = context.rules->in_force();
  if (!now) return failure_response(now.error());
  const auto tallies = tallies_of(context);
  ActiveRules active;
  for (const RuleJson& rule : now->document.rules()) {
    if (is_enabled(rule)) active.rules.push_back(active_rule(rule, tallies));
  }
  return json_response(to_document(active));
}

HttpResponse handle_rule_stats(const ApiContext& context, HttpRequest& /*request*/) {
  const auto now = context.rules->in_force();
  if (!now) return failure_response(now.error());
  RuleStats stats;
  stats.total_dynamic_rules = now->document.size() + now->ended;
  for (const RuleJson& rule : now->document.rules()) stats.active_rules += is_enabled(rule) ? 1U : 0U;
  for (const auto& [id, tally] : tallies_of(context)) stats.total_blocks += tally.total[0];
  return json_response(to_document(stats));
}

}  // namespace secbeat::agent
