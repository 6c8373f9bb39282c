// What the API answers about rules.
#include "api_documents.hpp"
#include "rules/rule_book.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::agent {
using namespace http;  // the words of documents

static Json value_of(const ActiveRule& rule);

namespace {

template <auto Pointer>
Json of_reload(const void* object) {
  return member<Pointer>(&static_cast<const RuleChange*>(object)->reload);
}

Json rule_id_of(const RuleChange& change) { return change.id.empty() ? Json() : Json(change.id); }
Json total_ms_of(const RuleChange& change) { return value_of(change.reload.stages.total_ms); }
Json workers_of(const RuleChange& change) { return change.reload.workers.serving; }

constexpr Member kRuleChangeMembers[] = {
    {"success", flag("true"), always_true},
    {"message", text("What was done"), member<&RuleChange::message>},
    {"id", text("Of the rule; null: all of them").or_null(), computed<RuleChange, rule_id_of>},
    {"expires_at", time("When the rule ends; null: it does not").or_null(), member<&RuleChange::expires_at>},
    {"etag", text("Of the rule; of the document where the rule is gone, or all were replaced"),
     member<&RuleChange::etag>},
    {"rules", count("In the document"), member<&RuleChange::rules>},
    {"changes", count("That came into force together with this one, which is counted"), member<&RuleChange::changes>},
    {"dropped", text("Rules that had ended, and left the document").list(), member<&RuleChange::dropped>},
    {"name", text("The module"), of_reload<&ReloadResult::name>},
    {"version", text("That serves now"), of_reload<&ReloadResult::version>},
    {"previous_version", text().or_null(), of_reload<&ReloadResult::previous_version>},
    {"unchanged", flag("Whether the same was in force already"), of_reload<&ReloadResult::unchanged>},
    {"downtime_ms", count(), of_reload<&ReloadResult::downtime_ms>},
    {"max_pause_us", count(), of_reload<&ReloadResult::max_pause_us>},
    {"requests_during_reload", count(), of_reload<&ReloadResult::requests_during_reload>},
    {"config_sha256", sha256(), of_reload<&ReloadResult::config_sha256>},
    {"generation", count(), of_reload<&ReloadResult::generation>},
    {"workers_serving", count("Workers that decide by it"), computed<RuleChange, workers_of>},
    {"total_ms", amount("From receipt to in force"), computed<RuleChange, total_ms_of>},
    {"warnings", text().list(), of_reload<&ReloadResult::warnings>},
};

constexpr Member kActiveRuleMembers[] = {
    {"id", text(), member<&ActiveRule::id>},
    {"pattern",
     text("Several are put together by \" | \"; null: the rule has none, or conditions of several").or_null(),
     member<&ActiveRule::pattern>},
    {"created_at", text("As the rule says").or_null(), member<&ActiveRule::created_at>},
    {"expires_at", time("Null: it does not").or_null(), member<&ActiveRule::expires_at>},
    {"blocks", count("Requests that a rule of this id blocked, over restarts"), member<&ActiveRule::blocks>},
    {"logs", count("That it let pass and recorded"), member<&ActiveRule::logs>},
    {"rate_limits", count("That it put under the rate limit"), member<&ActiveRule::rate_limits>},
    {"last_match_at", time("Null: it has decided no request").or_null(), member<&ActiveRule::last_match_at>},
    {"action", text(), member<&ActiveRule::action>},
};
constexpr DocumentType kActiveRule{"ActiveRule", "A rule by which requests are decided now", kActiveRuleMembers};
constexpr Member kActiveRulesMembers[] = {
    {"rules", document(kActiveRule, "In the order of the document").list(), member<&ActiveRules::rules>}};

Json nobody_measured(const void*) { return {}; }
constexpr Member kRuleStatsMembers[] = {
    {"total_dynamic_rules", count("In the document, those that are switched off or have ended included"),
     member<&RuleStats::total_dynamic_rules>},
    {"active_rules", count("By which requests are decided now"), member<&RuleStats::active_rules>},
    {"total_blocks", count("Requests that rules of universal-waf blocked, those that are gone included"),
     member<&RuleStats::total_blocks>},
    {"false_positive_rate", amount("Null: nobody has measured it").or_null(), nobody_measured},
};

}  // namespace

static Json value_of(const ActiveRule& rule) { return write(kActiveRule, &rule); }

namespace documents {
const DocumentType kRuleChange{"RuleChange", "Rules were changed, and the change is in force", kRuleChangeMembers};
const DocumentType kActiveRules{"ActiveRules", "The rules that hold now", kActiveRulesMembers};
const DocumentType kRuleStats{"RuleStats", "The rules in figures", kRuleStatsMembers};
}  // namespace documents

Json to_document(const RuleChange& change) { return write(documents::kRuleChange, &change); }
Json to_document(const ActiveRules& rules) { return write(documents::kActiveRules, &rules); }
Json to_document(const RuleStats& stats) { return write(documents::kRuleStats, &stats); }

}  // namespace secbeat::agent
