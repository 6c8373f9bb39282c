// GET, POST /api/v1/rules; GET, DELETE /api/v1/rules/{id}; GET /api/v1/rules/{active,stats}; POST /api/v1/rules/deploy
#include <fmt/format.h>

#include "fleet_context.hpp"
#include "fleet_documents.hpp"
#include "fleet_rule_documents.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::orchestrator {
namespace {

using agent::RuleJson;
using http::refuse;

constexpr std::size_t kMaxRuleReasonBytes = 1000;

HttpResponse with_etag(HttpResponse response, const std::string& etag) {
  response.headers.emplace_back("ETag", etag);
  return response;
}

OrRefusal<std::string> read_rule_id(const HttpRequest& request) {
  std::string id = request.path.substr(request.path.rfind('/') + 1);
  if (agent::is_rule_id(id)) return id;
  return refuse(
      ErrorCode::kBadRequest,
      fmt::format("\"{}\" cannot name a rule: 1 to 100 letters, digits and characters of - _ . :", http::shown(id)));
}

OrRefusal<RuleJson> read_json_body(const HttpRequest& request) {
  if (request.body.empty()) return refuse(ErrorCode::kBadJson, "The request has no body; send the rule as JSON");
  auto json = agent::parse_rule_text(request.body);
  if (!json) return std::unexpected(http::error_response(json.error()));
  return *std::move(json);
}

// What every edit has: who, why, and what they have read before.
OrRefusal<FleetRuleEdit> read_edit(HttpRequest& request, FleetRuleEdit::Kind kind) {
  http::Form query;
  if (const auto reason = request.parameter("reason")) query.emplace("reason", *reason);
  auto reason = http::take_text(query, "reason", kMaxRuleReasonBytes);
  if (!reason) return std::unexpected(reason.error());
  FleetRuleEdit edit{.kind = kind,
                     .ttl_seconds = {},
                     .if_match = {},
                     .reason = reason->value_or(""),
                     .by = request.caller.name,
                     .received = request.received};
  request.reason = edit.reason;
  if (const auto if_match = request.header("if-match")) edit.if_match = *if_match;
  return edit;
}

OrRefusal<void> take_rule(const FleetContext& context, RuleJson json, FleetRuleEdit& edit) {
  auto rule = read_new_rule(std::move(json), context.rules.limits());
  if (!rule) return std::unexpected(http::error_response(rule.error()));
  edit.kind = rule->deploys ? FleetRuleEdit::Kind::kAdd : FleetRuleEdit::Kind::kEnter;
  edit.rule = std::move(rule->rule);
  return {};
}

// {"rule_id", "ttl_seconds"} of a rule that waits.
OrRefusal<void> take_id(const RuleJson& json, FleetRuleEdit& edit) {
  for (const auto& [key, value] : json.items()) {
    if (key == "rule_id" || key == "ttl_seconds") continue;
    return refuse(
        ErrorCode::kUnknownField,
        fmt::format("There is no field \"{}\"; this call takes rule, or rule_id and ttl_seconds", http::shown(key)),
        {{"field", http::shown(key)}});
  }
  const auto id = agent::text_in_rule(json, "rule_id");
  if (!id || !agent::is_rule_id(*id)) {
    return refuse(ErrorCode::kBadRequest, "Say which rule: \"rule\" with all of it, or \"rule_id\" of one that waits",
                  {{"field", "rule_id"}});
  }
  edit.kind = FleetRuleEdit::Kind::kDeploy;
  edit.id = *id;
  const auto ttl = json.find("ttl_seconds");
  if (ttl == json.end()) return {};
  const std::uint64_t seconds = ttl->is_number_unsigned() ? ttl->get<std::uint64_t>() : 0;
  if (seconds == 0 || seconds > static_cast<std::uint64_t>(agent::kLongestTtlSeconds)) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("\"ttl_seconds\" is a whole number of seconds, 1 to {}", agent::kLongestTtlSeconds),
                  {{"field", "ttl_seconds"}});
  }
  edit.ttl_seconds = seconds;
  return {};
}

OrRefusal<void> take_deployment(const FleetContext& context, RuleJson json, FleetRuleEdit& edit) {
  if (!json.is_object()) return refuse(ErrorCode::kBadRequest, "Send {\"rule\": {…}}, or {\"rule_id\": …}");
  if (!json.contains("rule")) return take_id(json, edit);
  if (json.size() > 1) {
    return refuse(ErrorCode::kUnknownField,
                  "Beside \"rule\" there is no other field: what belongs to the rule stands "
                  "in it");
  }
  if (auto taken = take_rule(context, std::move(json["rule"]), edit); !taken) return taken;
  if (edit.kind == FleetRuleEdit::Kind::kAdd) return {};
  return refuse(ErrorCode::kBadRequest, "This call deploys: \"deploy\": false has no meaning here",
                {{"field", "deploy"}});
}

std::optional<double> confidence_of(const RuleJson& rule) {
  const auto found = rule.find("confidence");
  if (found == rule.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

FleetActiveRule active_rule(const RuleJson& rule, const CountedRules& counted) {
  FleetActiveRule active{.id = agent::id_of_rule(rule),
                         .pattern = agent::pattern_of_rule(rule),
                         .created_at = agent::text_in_rule(rule, "created_at"),
                         .expires_at = {},
                         .count = {},
                         .action = agent::text_in_rule(rule, "action").value_or(""),
                         .confidence = confidence_of(rule),
                         .origin = agent::text_in_rule(rule, "origin")};
  if (const auto end = agent::end_of_rule(rule)) active.expires_at = rfc3339(*end);
  if (counted.nodes.empty()) return active;
  const fleet::RuleCount* count = counted.find(active.id);
  active.count = count == nullptr ? fleet::RuleCount{.id = active.id} : *count;
  return active;
}

}  // namespace

HttpResponse handle_rules(const FleetContext& context, HttpRequest&) {
  const auto now = context.rules.in_force();
  if (!now) return http::error_response(now.error());
  RuleJson document = now->document.json();
  if (!now->entered.rules.empty()) {
    RuleJson entered = RuleJson::array();
    for (const fleet::EnteredRule& one : now->entered.rules) {
      if (auto rule = agent::parse_rule_text(one.rule)) entered.push_back(*std::move(rule));
    }
    document["x-entered"] = std::move(entered);
  }
  return with_etag(http::json_response(document), now->etag);
}

HttpResponse handle_rule(const FleetContext& context, HttpRequest& request) {
  const auto id = read_rule_id(request);
  if (!id) return id.error();
  const auto now = context.rules.in_force();
  if (!now) return http::error_response(now.error());
  if (const RuleJson* rule = now->document.find(*id)) {
    return with_etag(http::json_response(*rule), agent::etag_of_rule(*rule));
  }
  if (const fleet::EnteredRule* entered = now->entered.find(*id)) {
    auto rule = agent::parse_rule_text(entered->rule);
    if (!rule) return http::error_response({ErrorCode::kInternal, "What was entered cannot be read"});
    const std::string etag = agent::etag_of_rule(*rule);
    (*rule)["x-entered"] = true;  // it waits
    return with_etag(http::json_response(*rule), etag);
  }
  return http::error_response(
      {ErrorCode::kUnknownRule, fmt::format("There is no rule \"{}\"; GET /api/v1/rules lists them", *id)});
}

HttpResponse handle_add_rule(const FleetContext& context, HttpRequest& request) {
  auto edit = read_edit(request, FleetRuleEdit::Kind::kAdd);
  if (!edit) return edit.error();
  auto json = read_json_body(request);
  if (!json) return json.error();
  if (auto taken = take_rule(context, *std::move(json), *edit); !taken) return taken.error();
  return rule_response(context.rules.change(*std::move(edit)));
}

HttpResponse handle_deploy_rule(const FleetContext& context, HttpRequest& request) {
  auto edit = read_edit(request, FleetRuleEdit::Kind::kDeploy);
  if (!edit) return edit.error();
  auto json = read_json_body(request);
  if (!json) return json.error();
  if (auto taken = take_deployment(context, *std::move(json), *edit); !taken) return taken.error();
  auto outcome = context.rules.change(*std::move(edit));
  if (!outcome) return rule_failure_response(outcome.error());
  const std::string etag = outcome->etag;
  return with_etag(http::json_response(to_document(RuleDeployment{*std::move(outcome)})), etag);
}

HttpResponse handle_remove_rule(const FleetContext& context, HttpRequest& request) {
  const auto id = read_rule_id(request);
  if (!id) return id.error();
  auto edit = read_edit(request, FleetRuleEdit::Kind::kRemove);
  if (!edit) return edit.error();
  edit->id = *id;
  return rule_response(context.rules.change(*std::move(edit)));
}

HttpResponse handle_active_rules(const FleetContext& context, HttpRequest&) {
  const auto now = context.rules.in_force();
  if (!now) return http::error_response(now.error());
  auto counted = context.rules.counts();
  if (!counted) return http::error_response(counted.error());
  FleetActiveRules active;
  for (const RuleJson& rule : now->document.rules()) {
    if (agent::is_enabled(rule)) active.rules.push_back(active_rule(rule, *counted));
  }
  active.counted = std::move(counted->nodes);
  active.silent = std::move(counted->silent);
  return http::json_response(to_document(active));
}

HttpResponse handle_rule_stats(const FleetContext& context, HttpRequest&) {
  const auto now = context.rules.in_force();
  if (!now) return http::error_response(now.error());
  auto counted = context.rules.counts();
  if (!counted) return http::error_response(counted.error());
  FleetRuleStats stats{.total = now->document.size() + now->ended,
                       .entered = now->entered.rules.size(),
                       .blocks = {},
                       .counted = std::move(counted->nodes),
                       .silent = std::move(counted->silent)};
  for (const RuleJson& rule : now->document.rules()) stats.active += agent::is_enabled(rule) ? 1U : 0U;
  if (!stats.counted.empty()) stats.blocks = counted->blocks;
  return http::json_response(to_document(stats));
}

}  // namespace secbeat::orchestrator
