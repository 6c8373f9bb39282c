// What each document of the API holds: its members in order, each with its schema and its value. The members that the
// API promises to the letter come first.
#include "api_documents.hpp"

#include "secbeat/http/value.hpp"

namespace secbeat::agent {
using namespace http;  // the words of documents

// Documents within documents. Not in the unnamed namespace: templates of api_value.hpp look for them here.
static Json value_of(const Stages& stages);
static Json value_of(const WorkerCount& workers);
static Json value_of(const WorkerVersion& worker);
static Json value_of(const HistoryRow& row);
static Json value_of(const KnownVersion& version);
static Json value_of(const Operation& operation);
static Json value_of(const LabelledRequest& request);
static Json value_of(const LabelledError& error);
static Json value_of(const ErrorTotals& totals);

namespace {

using enum Member::Presence;

constexpr std::string_view kErrorKindWords[] = {"trap", "deadline", "memory", "bad_verdict", "no_instance"};
constexpr std::string_view kStateWords[] = {"serving", "quarantined", "previous", "kept", "stored", "removed"};
constexpr std::string_view kKindWords[] = {"load",     "reload",        "config",      "file_change",
                                           "rollback", "auto_rollback", "remove",      "freeze",
                                           "unfreeze", "bypass",        "rule_expired"};
constexpr std::string_view kOperationKindWords[] = {"load",     "reload",   "config",        "file_change",
                                                    "validate", "rollback", "auto_rollback", "remove"};
constexpr std::string_view kStageWords[] = {word_of(OperationStage::kCheck), word_of(OperationStage::kStage),
                                            word_of(OperationStage::kSwap)};
constexpr std::string_view kReloadMessages[] = {"Module reloaded", "Module loaded successfully", "Module unchanged"};
constexpr std::string_view kValidationMessages[] = {"Module is valid"};
constexpr std::string_view kRemovalMessages[] = {"Module removed"};
constexpr std::string_view kHealthWords[] = {"ok", "ready"};

constexpr Schema kLabel = text("The label of a version");
constexpr Schema kDowntime = count("Whole milliseconds in which a worker could not begin an inspection, at most");
constexpr Schema kPause = count("The longest of all workers' pauses for the swap");
constexpr Schema kId = count("The cursor of `before`");
constexpr Schema kNextBefore = count("`before` of the next page; null: this is the last").or_null();
constexpr Schema kGeneration = count("Counts the changes of what is in force");

// -- parts of documents ----------------------------------------------------------------------------------------

constexpr Member kStagesMembers[] = {
    {"receive_ms", amount(), member<&Stages::receive_ms>}, {"validate_ms", amount(), member<&Stages::validate_ms>},
    {"compile_ms", amount(), member<&Stages::compile_ms>}, {"rehearse_ms", amount(), member<&Stages::rehearse_ms>},
    {"stage_ms", amount(), member<&Stages::stage_ms>},     {"swap_ms", amount(), member<&Stages::swap_ms>},
    {"total_ms", amount(), member<&Stages::total_ms>},
};
constexpr DocumentType kStages{"Stages", "How long each stage of a reload took", kStagesMembers};

constexpr Member kWorkerCountMembers[] = {
    {"serving", count("Workers that serve it"), member<&WorkerCount::serving>},
    {"total", count("Workers there are"), member<&WorkerCount::total>},
};
constexpr DocumentType kWorkerCount{"WorkerCount", "How many workers serve a generation", kWorkerCountMembers};

constexpr Member kWorkerVersionMembers[] = {
    {"pid", count(), member<&WorkerVersion::pid>},
    {"version", kLabel.or_null(), text_or_null<&WorkerVersion::version>},
    {"generation", kGeneration, member<&WorkerVersion::generation>},
    {"since", time().or_null(), text_or_null<&WorkerVersion::since>},
};
constexpr DocumentType kWorkerVersion{"WorkerVersion", "What one worker serves", kWorkerVersionMembers};

constexpr Member kWorkerFailureMembers[] = {
    {"pid", count()}, {"module", text().or_null()}, {"error", text()}, {"code", text()}};
constexpr DocumentType kWorkerFailure{"WorkerFailure", "Why one worker did not follow", kWorkerFailureMembers};

// -- changes -----------------------------------------------------------------------------------------------------

struct UploadAnswer : ReloadResult {
  std::string message;
};
template <auto Pointer>
constexpr Member::Value uploaded = &member<Pointer, UploadAnswer>;

template <auto Pointer, class Object>
Json measured_member(const void* object) {
  return value_of(static_cast<const Object*>(object)->measured.*Pointer);
}
template <class Object>
constexpr Member kCostOf{"cost", document(documents::kCost, "Null: it was not counted").or_null(),
                         &measured_member<&Measured::cost, Object>};
template <class Object>
constexpr Member kInventoryOf{"inventory", document(documents::kInventory, "Null: the module lists no rules").or_null(),
                              &measured_member<&Measured::inventory, Object>};

Json true_or_nothing(const UploadAnswer& answer) { return answer.unchanged ? Json(true) : Json(); }

constexpr Schema kSigner = text("The id of the key whose signature holds; null: none was checked");
constexpr Schema kWarnings = text("What is allowed and worth a thought").list();
constexpr Member kUnchanged{"unchanged", flag("These bytes and this configuration serve already: nothing was done"),
                            computed<UploadAnswer, true_or_nothing>, kSometimes};

constexpr Member kReloadMembers[] = {
    {"success", flag(), always_true},
    {"message", one_of(kReloadMessages), uploaded<&UploadAnswer::message>},
    {"version", text("The version that serves after it"), uploaded<&ReloadResult::version>},
    {"downtime_ms", kDowntime, uploaded<&ReloadResult::downtime_ms>},
    {"requests_during_reload", count("Inspected between receipt and the last worker's acknowledgement"),
     uploaded<&ReloadResult::requests_during_reload>},
    kUnchanged,
    {"name", text("The module"), uploaded<&ReloadResult::name>},
    {"previous_version", kLabel.or_null(), uploaded<&ReloadResult::previous_version>},
    {"sha256", sha256("Of the module's bytes"), uploaded<&ReloadResult::sha256>},
    {"config_sha256", sha256().or_null(), text_or_null<&ReloadResult::config_sha256, UploadAnswer>},
    {"size_bytes", count("Of the module"), uploaded<&ReloadResult::size_bytes>},
    {"generation", kGeneration, uploaded<&ReloadResult::generation>},
    {"workers", document(kWorkerCount), uploaded<&ReloadResult::workers>},
    {"max_pause_us", kPause, uploaded<&ReloadResult::max_pause_us>},
    {"stages", document(kStages), uploaded<&ReloadResult::stages>},
    kCostOf<UploadAnswer>,
    kInventoryOf<UploadAnswer>,
    {"warnings", kWarnings, uploaded<&ReloadResult::warnings>},
    {"signed_by", kSigner.or_null(), text_or_null<&ReloadResult::signed_by, UploadAnswer>},
};

constexpr Member kValidationMembers[] = {
    {"success", flag(), always_true},
    {"message", one_of(kValidationMessages), uploaded<&UploadAnswer::message>},
    {"would_be_version", text("The label that a reload would give"), uploaded<&ReloadResult::version>},
    {"stages", document(kStages), uploaded<&ReloadResult::stages>},
    kCostOf<UploadAnswer>,
    kInventoryOf<UploadAnswer>,
    {"warnings", kWarnings, uploaded<&ReloadResult::warnings>},
    kUnchanged,
    {"name", text("The module"), uploaded<&ReloadResult::name>},
    {"previous_version", kLabel.or_null(), uploaded<&ReloadResult::previous_version>},
    {"sha256", sha256("Of the module's bytes"), uploaded<&ReloadResult::sha256>},
    {"config_sha256", sha256().or_null(), text_or_null<&ReloadResult::config_sha256, UploadAnswer>},
    {"size_bytes", count("Of the module"), uploaded<&ReloadResult::size_bytes>},
    {"signed_by", kSigner.or_null(), text_or_null<&ReloadResult::signed_by, UploadAnswer>},
};

constexpr Member kRollbackMembers[] = {
    {"success", flag(), always_true},
    {"rolled_back_to", text("The version that serves after it"), member<&RollbackResult::rolled_back_to>},
    {"reason", text(), member<&RollbackResult::reason>},
    {"downtime_ms", kDowntime, member<&RollbackResult::downtime_ms>},
    {"from_version", text("The version before it; null: the module was removed").or_null(),
     text_or_null<&RollbackResult::from_version>},
    {"name", text("The module"), member<&RollbackResult::name>},
    {"workers", document(kWorkerCount), member<&RollbackResult::workers>},
    {"max_pause_us", kPause, member<&RollbackResult::max_pause_us>},
    {"generation", kGeneration, member<&RollbackResult::generation>},
    {"warnings", text("What is still to be done").list(), member<&RollbackResult::warnings>},
};

constexpr Member kRemovalMembers[] = {
    {"success", flag(), always_true},
    {"message", one_of(kRemovalMessages),
     computed<RemovalResult, [](const RemovalResult&) -> Json { return kRemovalMessages[0]; }>},
    {"name", text("The module"), member<&RemovalResult::name>},
    {"removed_version", kLabel, member<&RemovalResult::removed_version>},
    {"reason", text().or_null(), text_or_null<&RemovalResult::reason>},
    {"downtime_ms", kDowntime, member<&RemovalResult::downtime_ms>},
    {"workers", document(kWorkerCount), member<&RemovalResult::workers>},
    {"max_pause_us", kPause, member<&RemovalResult::max_pause_us>},
    {"generation", kGeneration, member<&RemovalResult::generation>},
    {"modules", text("Modules that requests still meet, in order").list(), member<&RemovalResult::modules>},
    {"warnings", kWarnings, member<&RemovalResult::warnings>},
};

// -- what is there -----------------------------------------------------------------------------------------------

constexpr Member kName{"name", text("The module"), member<&VersionView::name>};
constexpr Member kLoadedAt{"loaded_at", time("When this version came into force last").or_null(),
                           text_or_null<&VersionView::loaded_at>};
constexpr Member kServes{"version", kLabel.or_null(), text_or_null<&VersionView::version>};
constexpr Member kPrevious{"previous_version", text("Where a rollback leads").or_null(),
                           member<&VersionView::previous_version>};
constexpr Member kSize{"size_bytes", count("Of the module"), member<&VersionView::size_bytes>};
constexpr Member kSha256{"sha256", sha256("Of the module's bytes").or_null(), text_or_null<&VersionView::sha256>};
constexpr Member kConfigSha256{"config_sha256", sha256().or_null(), text_or_null<&VersionView::config_sha256>};
constexpr Member kEmbedded{"embedded_version", text("The semantic version in the module").or_null(),
                           member<&VersionView::embedded_version>};
constexpr Member kAtGeneration{"generation", kGeneration, member<&VersionView::generation>};
constexpr Member kKept{"kept", text("A version that a rollback reaches at once").list(), member<&VersionView::kept>};
constexpr Member kWorkers{"workers", document(kWorkerVersion).list(), member<&VersionView::workers>};

constexpr Member kWatched{"watch", document(documents::kWatch, "The last one over this module; null: none").or_null(),
                          member<&VersionView::watch>};

constexpr Member kVersionMembers[] = {kName,         kServes,   kLoadedAt,     kPrevious, kSize,    kSha256,
                                      kConfigSha256, kEmbedded, kAtGeneration, kKept,     kWorkers, kWatched};

constexpr Member kModuleMembers[] = {kName,     {"size", count("Bytes"), member<&VersionView::size_bytes>},
                                     kLoadedAt, kServes,
                                     kPrevious, kSize,
                                     kSha256,   kConfigSha256,
                                     kEmbedded, kAtGeneration,
                                     kKept,     kWorkers,
                                     kWatched};
constexpr DocumentType kModule{"Module", "A module and the version that serves", kModuleMembers};

Json modules_of(const ModuleList& list) {
  Json modules = Json::array();
  for (const VersionView& view : list.modules) modules.push_back(write(kModule, &view));
  return modules;
}

constexpr Member kArchiveMembers[] = {
    {"pending", count("Versions that wait to be archived"), member<&ArchiveStatus::pending>},
    {"failures", count("Attempts that failed since the agent started"), member<&ArchiveStatus::failures>},
    {"error", text("Of the last attempt; null: it went well").or_null(), text_or_null<&ArchiveStatus::error>}};
constexpr DocumentType kArchiveState{"Archive", "How far the archive is", kArchiveMembers};
Json archive_of(const ModuleList& list) { return list.archive ? write(kArchiveState, &*list.archive) : Json(); }

constexpr Member kModulesMembers[] = {
    {"modules", document(kModule, "In the order in which requests meet them").list(), computed<ModuleList, modules_of>},
    {"archive", document(kArchiveState, "null: there is none").or_null(), computed<ModuleList, archive_of>}};

constexpr Member kHistoryRowMembers[] = {
    {"timestamp", time(), member<&HistoryRow::timestamp>},
    {"version", text("What stayed or came serving; null: nothing").or_null(), text_or_null<&HistoryRow::version>},
    {"duration_ms", count(), member<&HistoryRow::duration_ms>},
    {"requests_during_reload", count(), member<&HistoryRow::requests_during_reload>},
    {"success", flag(), member<&HistoryRow::success>},
    {"id", kId, member<&HistoryRow::id>},
    {"name", text("The module").or_null(), text_or_null<&HistoryRow::name>},
    {"kind", one_of(kKindWords), member<&HistoryRow::kind>},
    {"from_version", kLabel.or_null(), text_or_null<&HistoryRow::from_version>},
    {"attempted_version", kLabel.or_null(), text_or_null<&HistoryRow::attempted_version>},
    {"error", text().or_null(), text_or_null<&HistoryRow::error>},
    {"code", text().or_null(), text_or_null<&HistoryRow::code>},
    {"reason", text().or_null(), text_or_null<&HistoryRow::reason>},
    {"by",
     text("The name of the caller's key; local: called without keys; start, file, watch, expiry: the node").or_null(),
     text_or_null<&HistoryRow::by>},
    {"source_ip", text("Where the call came from; null: it was none").or_null(), text_or_null<&HistoryRow::source_ip>},
    {"request_id", text().or_null(), text_or_null<&HistoryRow::request_id>},
    {"sha256", sha256().or_null(), text_or_null<&HistoryRow::sha256>},
    {"config_sha256", sha256().or_null(), text_or_null<&HistoryRow::config_sha256>},
    {"generation", kGeneration, member<&HistoryRow::generation>},
    {"signed_by", kSigner.or_null(), text_or_null<&HistoryRow::signed_by>},
    {"stages", document(kStages), member<&HistoryRow::stages>},
    kCostOf<HistoryRow>,
    kInventoryOf<HistoryRow>,
};
constexpr DocumentType kHistoryRow{"HistoryRow", "One attempt to change what is in force", kHistoryRowMembers};

constexpr Member kHistoryMembers[] = {
    {"reloads", document(kHistoryRow, "Newest first").list(), member<&HistoryPage::reloads>},
    {"next_before", kNextBefore, member<&HistoryPage::next_before>},
};

constexpr Member kKnownVersionMembers[] = {
    {"name", text("The module"), member<&KnownVersion::name>},
    {"version", kLabel, member<&KnownVersion::version>},
    {"sha256", sha256("Of the module's bytes"), member<&KnownVersion::sha256>},
    {"config_sha256", sha256().or_null(), text_or_null<&KnownVersion::config_sha256>},
    {"size_bytes", count(), member<&KnownVersion::size_bytes>},
    {"created_at", time(), member<&KnownVersion::created_at>},
    {"state", one_of(kStateWords), member<&KnownVersion::state>},
    {"quarantined_at", time("When these bytes and this configuration were taken back automatically").or_null(),
     text_or_null<&KnownVersion::quarantined_at>},
    {"quarantine_reason", text("The evidence").or_null(), text_or_null<&KnownVersion::quarantine_reason>},
    {"signed_by", kSigner.or_null(), text_or_null<&KnownVersion::signed_by>},
    {"id", kId, member<&KnownVersion::id>},
};
constexpr DocumentType kKnownVersion{"KnownVersion", "A version that the node remembers", kKnownVersionMembers};

constexpr Member kVersionsMembers[] = {
    {"versions", document(kKnownVersion, "Newest first").list(), member<&VersionPage::versions>},
    {"total", count("Versions there are, on all pages"), member<&VersionPage::total>},
    {"next_before", kNextBefore, member<&VersionPage::next_before>},
};

constexpr Member kOperationMembers[] = {
    {"name", text("The module"), member<&Operation::name>},
    {"kind", one_of(kOperationKindWords), member<&Operation::kind>},
    {"stage", one_of(kStageWords),
     computed<Operation, [](const Operation& operation) -> Json { return word_of(operation.stage); }>},
    {"since", time(), member<&Operation::since>},
    {"elapsed_ms", count("Since it began"), member<&Operation::elapsed_ms>},
    {"request_id", text("Of the call that began it").or_null(), text_or_null<&Operation::request_id>},
};
constexpr DocumentType kOperation{"Operation", "What changes what is in force, or tries to", kOperationMembers};

constexpr Member kUnderWayMembers[] = {
    {"operation", document(kOperation, "Null: nothing is under way").or_null(), member<&UnderWay::operation>}};

// -- single requests ---------------------------------------------------------------------------------------------

template <class Object, auto Pointer>
Json row_member(const void* object) {
  return value_of(static_cast<const Object*>(object)->row.*Pointer);
}
template <auto Pointer>
Json row_text_or_null(const void* object) {
  const std::string& value = static_cast<const LabelledRequest*>(object)->row.*Pointer;
  return value.empty() ? Json() : Json(value);
}
template <auto Pointer>
constexpr Member::Value decided = &row_member<LabelledRequest, Pointer>;
template <auto Pointer>
constexpr Member::Value failed = &row_member<LabelledError, Pointer>;

constexpr Member kRequestMembers[] = {
    {"time", time(), decided<&RequestRow::time>},
    {"method", text(), decided<&RequestRow::method>},
    {"uri", text(), decided<&RequestRow::uri>},
    {"source", text("The client's address"), decided<&RequestRow::source_ip>},
    {"verdict", one_of(kVerdictWords), decided<&RequestRow::verdict>},
    {"module", text(), decided<&RequestRow::module>},
    {"version", kLabel.or_null(), text_or_null<&LabelledRequest::version>},
    {"rule", text().or_null(), row_text_or_null<&RequestRow::rule>},
    {"message", text().or_null(), row_text_or_null<&RequestRow::message>},
    {"id", kId, decided<&RequestRow::id>},
};
constexpr DocumentType kRequest{"Request", "A request that was not simply let through", kRequestMembers};

constexpr Member kRequestsMembers[] = {
    {"requests", document(kRequest, "Newest first").list(), member<&RequestPage::requests>},
    {"next_before", kNextBefore, member<&RequestPage::next_before>},
};

constexpr Member kErrorSampleMembers[] = {
    {"method", text(), failed<&ErrorRow::method>},
    {"uri", text(), failed<&ErrorRow::uri>},
    {"source_ip", text(), failed<&ErrorRow::source_ip>},
};
constexpr DocumentType kErrorSample{"ErrorSample", "The newest request at which it happened", kErrorSampleMembers};

constexpr Member kModuleErrorMembers[] = {
    {"timestamp", time("The same as last_seen"), failed<&ErrorRow::last_seen>},
    {"version", kLabel.or_null(), text_or_null<&LabelledError::version>},
    {"kind", one_of(kErrorKindWords), failed<&ErrorRow::kind>},
    {"message", text(), failed<&ErrorRow::message>},
    {"count", count("Since first_seen"), failed<&ErrorRow::count>},
    {"first_seen", time(), failed<&ErrorRow::first_seen>},
    {"last_seen", time(), failed<&ErrorRow::last_seen>},
    {"sample", document(kErrorSample),
     computed<LabelledError, [](const LabelledError& error) { return write(kErrorSample, &error); }>},
    {"module", text(), failed<&ErrorRow::module>},
};
constexpr DocumentType kModuleError{"ModuleError", "Equal errors of a module", kModuleErrorMembers};

constexpr Member kErrorTotalsMembers[] = {
    {"trap", count(), member<&ErrorTotals::trap>},
    {"deadline", count(), member<&ErrorTotals::deadline>},
    {"memory", count(), member<&ErrorTotals::memory>},
    {"bad_verdict", count(), member<&ErrorTotals::bad_verdict>},
    {"no_instance", count(), member<&ErrorTotals::no_instance>},
};
constexpr DocumentType kErrorTotals{"ErrorTotals", "Errors within the window, by kind", kErrorTotalsMembers};

constexpr Member kErrorsMembers[] = {
    {"module", text("As asked for").or_null(), member<&ErrorPage::module>},
    {"version", text("As asked for").or_null(), member<&ErrorPage::version>},
    {"window_seconds", count(), member<&ErrorPage::window_seconds>},
    {"totals", document(kErrorTotals), member<&ErrorPage::totals>},
    {"errors", document(kModuleError, "The one seen last first").list(), member<&ErrorPage::errors>},
};

constexpr Member kHealthMembers[] = {{"status", one_of(kHealthWords), member<&Health::status>}};

// -- errors ------------------------------------------------------------------------------------------------------

constexpr Schema kThereAre = text("Those there are").list();
constexpr Member kErrorMembers[] = {
    {"success", flag("false")},
    {"error", text("What is wrong and what to do, for a person")},
    {"code", text("For programs; stable")},
    {"current_version", text("What is serving").or_null(), nullptr, kSometimes},
    {"status", text("still_serving_<version>, no_module_serving, or not_ready"), nullptr, kSometimes},
    {"field", text("The field or parameter it is about"), nullptr, kSometimes},
    {"known", text("Fields or values that are known").list(), nullptr, kSometimes},
    {"modules", kThereAre, nullptr, kSometimes},
    {"versions", kThereAre, nullptr, kSometimes},
    {"workers", document(kWorkerFailure).list(), nullptr, kSometimes},
    {"cost", document(documents::kCost, "Of the version that was refused"), nullptr, kSometimes},
    {"inventory", document(documents::kInventory, "Of the version that was refused"), nullptr, kSometimes},
    {"reasons", text().list(), nullptr, kSometimes},
    {"size_bytes", count().or_null(), nullptr, kSometimes},
    {"limit_bytes", count(), nullptr, kSometimes},
    {"retry_after_seconds", count("As Retry-After"), nullptr, kSometimes},
};

}  // namespace

static Json value_of(const Stages& stages) { return write(kStages, &stages); }
static Json value_of(const WorkerCount& workers) { return write(kWorkerCount, &workers); }
static Json value_of(const WorkerVersion& worker) { return write(kWorkerVersion, &worker); }
static Json value_of(const HistoryRow& row) { return write(kHistoryRow, &row); }
static Json value_of(const KnownVersion& version) { return write(kKnownVersion, &version); }
static Json value_of(const Operation& operation) { return write(kOperation, &operation); }
static Json value_of(const LabelledRequest& request) { return write(kRequest, &request); }
static Json value_of(const LabelledError& error) { return write(kModuleError, &error); }
static Json value_of(const ErrorTotals& totals) { return write(kErrorTotals, &totals); }

namespace documents {
const DocumentType kReload{"Reload", "A module was replaced, or served already", kReloadMembers};
const DocumentType kValidation{"Validation", "What a reload would do", kValidationMembers};
const DocumentType kRollback{"Rollback", "A version was brought back", kRollbackMembers};
const DocumentType kRemoval{"Removal", "A module was taken out of the chain", kRemovalMembers};
const DocumentType kVersion{"Version", "The version of a module that serves", kVersionMembers};
const DocumentType kModules{"Modules", "The chain", kModulesMembers};
const DocumentType kHistory{"History", "Attempts to change what is in force", kHistoryMembers};
const DocumentType kVersions{"Versions", "Versions that the node remembers", kVersionsMembers};
const DocumentType kUnderWay{"UnderWay", "What is under way", kUnderWayMembers};
const DocumentType kErrors{"Errors", "Errors of modules within a window of time", kErrorsMembers};
const DocumentType kRequests{"Requests", "Requests that were blocked, recorded or limited", kRequestsMembers};
const DocumentType kHealth{"Health", "How the node is", kHealthMembers};
const DocumentType kError{"Error", "Why a call was refused", kErrorMembers};
}  // namespace documents

Json to_document(const ReloadResult& result, UploadKind kind) {
  const char* message = result.unchanged            ? "Module unchanged"
                        : kind == UploadKind::kLoad ? "Module loaded successfully"
                                                    : "Module reloaded";
  const UploadAnswer answer{result, message};
  return write(documents::kReload, &answer);
}
Json to_dry_run_document(const ReloadResult& result) {
  const UploadAnswer answer{result, "Module is valid"};
  return write(documents::kValidation, &answer);
}
Json to_document(const RollbackResult& result) { return write(documents::kRollback, &result); }
Json to_document(const RemovalResult& result) { return write(documents::kRemoval, &result); }
Json to_document(const VersionView& view) { return write(documents::kVersion, &view); }
Json to_document(const ModuleList& list) { return write(documents::kModules, &list); }
Json to_document(const HistoryPage& page) { return write(documents::kHistory, &page); }
Json to_document(const VersionPage& page) { return write(documents::kVersions, &page); }
Json to_document(const UnderWay& under_way) { return write(documents::kUnderWay, &under_way); }
Json to_document(const ErrorPage& page) { return write(documents::kErrors, &page); }
Json to_document(const RequestPage& page) { return write(documents::kRequests, &page); }
Json to_document(const Health& health) { return write(documents::kHealth, &health); }

}  // namespace secbeat::agent
