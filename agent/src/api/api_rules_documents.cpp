// What the API answers about rules.
#include "api_documents.hpp"
#include "api_value.hpp"
#include "rules/rule_book.hpp"

namespace secbeat::agent {
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

}  // namespace

namespace documents {
const DocumentType kRuleChange{"RuleChange", "Rules were changed, and the change is in force", kRuleChangeMembers};
}  // namespace documents

Json to_document(const RuleChange& change) { return write(documents::kRuleChange, &change); }

}  // namespace secbeat::agent
