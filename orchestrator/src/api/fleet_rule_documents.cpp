#include "fleet_rule_documents.hpp"

#include "fleet_documents.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::orchestrator {
using namespace http;  // the words of documents

static Json value_of(const FleetActiveRule& rule);

namespace {

constexpr Schema kNodeNames = text("Name of a node").list();

Json value_of_failures(const FleetRuleChange& change) {
  Json list = Json::array();
  if (!change.result) return list;
  for (const NodeFailure& failure : change.result->failed) {
    list.push_back({{"node", failure.node}, {"error", failure.error}, {"code", failure.code}});
  }
  return list;
}
constexpr Member kFailedNodeMembers[] = {{"node", text()}, {"error", text("For a person")}, {"code", text()}};
constexpr DocumentType kFailedNode{"FailedNode", "A node on which a rule did not come into force", kFailedNodeMembers};

Json deployed_to(const FleetRuleChange& change) {
  return change.result ? Json(change.result->deployed_to) : Json::array();
}
Json version_of(const FleetRuleChange& change) { return change.result ? Json(change.result->version) : Json(); }
Json rollout_of(const FleetRuleChange& change) { return change.result ? Json(change.result->rollout) : Json(); }
Json downtime_of(const FleetRuleChange& change) { return change.result ? change.result->total_downtime_ms : 0; }
Json is_deployed(const FleetRuleChange& change) { return change.result.has_value(); }
Json took(const FleetRuleChange& change) { return change.took.count(); }

constexpr Member kFleetRuleChangeMembers[] = {
    {"success", flag("true"), always_true},
    {"message", text("What was done"), member<&FleetRuleChange::message>},
    {"id", text("Of the rule"), member<&FleetRuleChange::id>},
    {"expires_at", time("When the rule ends; null: it does not, or is not deployed yet").or_null(),
     member<&FleetRuleChange::expires_at>},
    {"etag", text("Of the rule; of the document where the rule is gone"), member<&FleetRuleChange::etag>},
    {"rules", count("In the document"), member<&FleetRuleChange::rules>},
    {"changes", count("That came into force together with this one, which is counted"),
     member<&FleetRuleChange::changes>},
    {"dropped", text("Rules that had ended, and left the document").list(), member<&FleetRuleChange::dropped>},
    {"deployed", flag("Whether nodes were changed"), computed<FleetRuleChange, is_deployed>},
    {"deployed_to", kNodeNames, computed<FleetRuleChange, deployed_to>},
    {"failed", document(kFailedNode, "Could not be reached; they follow when they are back").list(),
     computed<FleetRuleChange, value_of_failures>},
    {"total_downtime_ms", count("The sum of what the nodes measured"), computed<FleetRuleChange, downtime_of>},
    {"deployment_time_ms", count("From receipt to in force"), computed<FleetRuleChange, took>},
    {"version", text("Of universal-waf, that serves now; null: nothing was changed").or_null(),
     computed<FleetRuleChange, version_of>},
    {"rollout_id", text("Null: there was none").or_null(), computed<FleetRuleChange, rollout_of>},
};

template <auto Function>
Json of_change(const void* object) {
  return Function(static_cast<const RuleDeployment*>(object)->change);
}
Json reached(const FleetRuleChange& change) { return change.result ? change.result->deployed_to.size() : 0; }
Json missed(const FleetRuleChange& change) { return change.result ? change.result->failed.size() : 0; }
Json id_of(const FleetRuleChange& change) { return change.id; }
Json end_of(const FleetRuleChange& change) { return change.expires_at ? Json(*change.expires_at) : Json(); }
constexpr Member kRuleDeploymentMembers[] = {
    {"deployed_to", count("Nodes on which the rule is in force"), of_change<reached>},
    {"failed", count("Nodes that could not be reached; they follow when they are back"), of_change<missed>},
    {"deployment_time_ms", count("From receipt to in force"), of_change<took>},
    {"nodes", kNodeNames, of_change<deployed_to>},
    {"failed_nodes", document(kFailedNode).list(), of_change<value_of_failures>},
    {"rule_id", text(), of_change<id_of>},
    {"expires_at", time("Null: it does not end").or_null(), of_change<end_of>},
    {"version", text("Of universal-waf, that serves now").or_null(), of_change<version_of>},
    {"rollout_id", text().or_null(), of_change<rollout_of>},
};

template <auto Pointer>
Json counted(const void* object) {
  const auto& count = static_cast<const FleetActiveRule*>(object)->count;
  return count ? Json((*count).*Pointer) : Json();
}
Json last_match(const FleetActiveRule& rule) {
  if (!rule.count || rule.count->last_unix_ms == 0) return {};
  return rfc3339(time_of_unix_ms(rule.count->last_unix_ms));
}
constexpr Member kFleetActiveRuleMembers[] = {
    {"id", text(), member<&FleetActiveRule::id>},
    {"pattern",
     text("Several are put together by \" | \"; null: the rule has none, or conditions of several").or_null(),
     member<&FleetActiveRule::pattern>},
    {"created_at", text("As the rule says").or_null(), member<&FleetActiveRule::created_at>},
    {"expires_at", time("Null: it does not").or_null(), member<&FleetActiveRule::expires_at>},
    {"blocks", count("Requests that rules of this id blocked on all nodes; null: no node has said").or_null(),
     counted<&fleet::RuleCount::blocks>},
    {"logs", count("That it let pass and recorded").or_null(), counted<&fleet::RuleCount::logs>},
    {"rate_limits", count("That it put under the rate limit").or_null(), counted<&fleet::RuleCount::rate_limits>},
    {"last_match_at", time("Null: it has decided no request, or no node has said").or_null(),
     computed<FleetActiveRule, last_match>},
    {"action", text(), member<&FleetActiveRule::action>},
    {"confidence", amount("As the rule says").or_null(), member<&FleetActiveRule::confidence>},
    {"origin", text("As the rule says").or_null(), member<&FleetActiveRule::origin>},
};
constexpr DocumentType kFleetActiveRule{"FleetActiveRule", "A rule by which requests are decided now",
                                        kFleetActiveRuleMembers};
constexpr Schema kCountedNodes = text("Nodes that have said what they counted").list();
constexpr Schema kSilentNodes = text("Nodes that have not, or not all of it").list();
constexpr Member kFleetActiveRulesMembers[] = {
    {"rules", document(kFleetActiveRule, "In the order of the document").list(), member<&FleetActiveRules::rules>},
    {"counted_nodes", kCountedNodes, member<&FleetActiveRules::counted>},
    {"silent_nodes", kSilentNodes, member<&FleetActiveRules::silent>},
};

Json nobody_measured(const void*) { return {}; }
constexpr Member kFleetRuleStatsMembers[] = {
    {"total_dynamic_rules", count("In the document, those that are switched off or have ended included"),
     member<&FleetRuleStats::total>},
    {"active_rules", count("By which requests are decided now"), member<&FleetRuleStats::active>},
    {"entered_rules", count("That wait to be deployed"), member<&FleetRuleStats::entered>},
    {"total_blocks",
     count("Requests that rules blocked on all nodes, those that are gone included; null: no node has said").or_null(),
     member<&FleetRuleStats::blocks>},
    {"false_positive_rate", amount("Null: nobody has measured it").or_null(), nobody_measured},
    {"counted_nodes", kCountedNodes, member<&FleetRuleStats::counted>},
    {"silent_nodes", kSilentNodes, member<&FleetRuleStats::silent>},
};

}  // namespace

static Json value_of(const FleetActiveRule& rule) { return write(kFleetActiveRule, &rule); }

namespace documents {
const DocumentType kFleetRuleChange{"FleetRuleChange", "A rule was changed, and what came of it",
                                    kFleetRuleChangeMembers};
const DocumentType kRuleDeployment{"RuleDeployment", "A rule is in force on every node that could be reached",
                                   kRuleDeploymentMembers};
const DocumentType kFleetActiveRules{"FleetActiveRules", "The rules that hold now", kFleetActiveRulesMembers};
const DocumentType kFleetRuleStats{"FleetRuleStats", "The rules in figures", kFleetRuleStatsMembers};
}  // namespace documents

Json to_document(const FleetRuleChange& change) { return write(documents::kFleetRuleChange, &change); }
Json to_document(const RuleDeployment& deployment) { return write(documents::kRuleDeployment, &deployment); }
Json to_document(const FleetActiveRules& rules) { return write(documents::kFleetActiveRules, &rules); }
Json to_document(const FleetRuleStats& stats) { return write(documents::kFleetRuleStats, &stats); }

HttpResponse rule_failure_response(const FleetRuleFailure& failure) {
  if (failure.retry_after_seconds == 0) return failure_response(failure.failure);
  auto response = failure_response(failure.failure, {{"retry_after_seconds", failure.retry_after_seconds}});
  response.headers.emplace_back("Retry-After", std::to_string(failure.retry_after_seconds));
  return response;
}

HttpResponse rule_response(const FleetRuleOutcome& outcome) {
  if (!outcome) return rule_failure_response(outcome.error());
  auto response = json_response(to_document(*outcome));
  response.headers.emplace_back("ETag", outcome->etag);
  return response;
}

}  // namespace secbeat::orchestrator
