// The routes of the API: see api_routes.hpp.
#include <limits>

#include "api_documents.hpp"
#include "api_routes.hpp"
#include "secbeat/http/openapi.hpp"

namespace secbeat::agent {
namespace {

using enum ErrorCode;
using namespace http;  // the words of the table
using Answers = const DocumentType* const;

constexpr std::string_view kDescription =
    "What a node of SecBeat does and shows. Every answer has X-Request-Id. Besides the answers below: an unknown path "
    "is a 404 `not_found`, a wrong method a 405 `method_not_allowed` with Allow, both as Error; a request that is no "
    "HTTP is refused by the HTTP library, with a status of 4xx or 5xx and a body that is not JSON.";

constexpr std::string_view kBooleans[] = {"true", "false"};
constexpr std::int64_t kMaxId = std::numeric_limits<std::int64_t>::max();

// -- inputs ------------------------------------------------------------------------------------------------------

constexpr Schema kModuleName = text("The module").matching("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$");
constexpr Schema kLabel = text("The label of a version").within(1, 128);
constexpr Input kName{"name", kModuleName};
constexpr Input kLimit{"limit", count("Rows of a page").within(1, 1000).by_default("50")};
constexpr Input kBefore{"before", count("`next_before` of the page before").within(1, kMaxId)};
constexpr Input kExpectedVersion{"expected_version", text("Only if this version is serving").within(1, 128)};
constexpr Input kReason{"reason",
                        text("Why, for the history: up to 1000 bytes, no control characters").within(1, 1000)};
constexpr Input kFile{"file", bytes("The module; without it only the configuration changes")};
constexpr Input kConfigText{"config", text("The module's configuration, JSON; default: the one in force is kept")};
constexpr Input kForce{
    "force",
    one_of(kBooleans, "Passes the gates that judge behaviour, never those that judge validity").by_default("false")};
constexpr Input kDryRun{"dry_run", one_of(kBooleans, "Everything but the swap").by_default("false")};

constexpr Input kSignature{"signature", text("Of the module: the text of the file that `secbeat sign` writes")};
constexpr Input kReloadFields[] = {kFile, kName, kConfigText, kSignature, kExpectedVersion, kReason, kDryRun, kForce};
constexpr Input kValidateFields[] = {kFile, kName, kConfigText, kSignature, kExpectedVersion, kReason, kForce};
constexpr std::int64_t kSecondsOfADay = 86400;
constexpr std::int64_t kSecondsOfAYear = 366 * kSecondsOfADay;
constexpr Input kGlassReason{"reason", text("Why, for log and history: up to 900 bytes").within(1, 900)};
constexpr Input kFreezeFields[] = {
    kGlassReason,
    {"ttl_seconds", count("After which it ends by itself; 0: it does not").within(0, kSecondsOfAYear).by_default("0")}};
constexpr Input kUnfreezeFields[] = {kGlassReason};
constexpr Input kBypassFields[] = {
    kGlassReason,
    {"ttl_seconds", count("After which it ends by itself; 0 ends it now").within(0, kSecondsOfADay).by_default("600")}};
constexpr Input kRollbackFields[] = {kName, {"to_version", kLabel}, kReason};
constexpr Input kRemoveQuery[] = {kExpectedVersion, kReason};
constexpr Input kNameQuery[] = {kName};
constexpr Input kListQuery[] = {kName, kLimit, kBefore};
constexpr Input kErrorsQuery[] = {
    kName,
    {"version", text("Only errors of this version")},
    {"since", text("A time such as 2025-11-24T01:00:03Z, or seconds back").by_default("300")},
    kLimit};
constexpr Input kRequestsQuery[] = {{"verdict", one_of(kVerdictWords)}, kLimit, kBefore};
constexpr Input kSha256InPath[] = {{"sha256", sha256("Of the module's bytes")}};

constexpr Input kRuleInPath[] = {{"id", text("Of the rule").matching("^[A-Za-z0-9_.:-]{1,100}$")}};
constexpr Input kRuleQuery[] = {kReason};

// -- answers -----------------------------------------------------------------------------------------------------

constexpr Answers kReloadAnswers[] = {&documents::kReload, &documents::kValidation};
constexpr Answers kValidateAnswers[] = {&documents::kValidation};
constexpr Answers kRollbackAnswers[] = {&documents::kRollback};
constexpr Answers kRemoveAnswers[] = {&documents::kRemoval};
constexpr Answers kWatchEndAnswers[] = {&documents::kWatchEnd};
constexpr Answers kBreakGlassAnswers[] = {&documents::kBreakGlass};
constexpr Answers kBreakGlassResultAnswers[] = {&documents::kBreakGlassResult};
constexpr Answers kDrillAnswers[] = {&documents::kDrill};
constexpr Answers kVersionAnswers[] = {&documents::kVersion};
constexpr Answers kModulesAnswers[] = {&documents::kModules};
constexpr Answers kHistoryAnswers[] = {&documents::kHistory};
constexpr Answers kVersionsAnswers[] = {&documents::kVersions};
constexpr Answers kErrorsAnswers[] = {&documents::kErrors};
constexpr Answers kOperationAnswers[] = {&documents::kUnderWay};
constexpr Answers kRequestsAnswers[] = {&documents::kRequests};
constexpr Answers kRuleChangeAnswers[] = {&documents::kRuleChange};
constexpr Answers kActiveRulesAnswers[] = {&documents::kActiveRules};
constexpr Answers kRuleStatsAnswers[] = {&documents::kRuleStats};
constexpr Answers kHealthAnswers[] = {&documents::kHealth};

// -- errors ------------------------------------------------------------------------------------------------------

constexpr ErrorCode kValidateErrors[] = {kBadConfigJson,
                                         kUnknownModule,
                                         kVersionConflict,
                                         kQuarantined,
                                         kReloadInProgress,
                                         kCancelled,
                                         kInvalidWasm,
                                         kMissingExport,
                                         kForbiddenImport,
                                         kInvalidAction,
                                         kSampleTrapped,
                                         kSampleTimeout,
                                         kConfigureFailed,
                                         kMemoryLimit,
                                         kCostLimit,
                                         kInventoryShrank,
                                         kRuleTestsFailed,
                                         kCompileTimeout,
                                         kCompileFailed,
                                         kBadSignature,
                                         kSignatureRequired,
                                         kInternal,
                                         kIo};
constexpr ErrorCode kReloadErrors[] = {kBadConfigJson,
                                       kHotReloadDisabled,
                                       kFrozen,
                                       kUnknownModule,
                                       kVersionConflict,
                                       kQuarantined,
                                       kReloadInProgress,
                                       kCancelled,
                                       kInvalidWasm,
                                       kMissingExport,
                                       kForbiddenImport,
                                       kInvalidAction,
                                       kSampleTrapped,
                                       kSampleTimeout,
                                       kConfigureFailed,
                                       kMemoryLimit,
                                       kCostLimit,
                                       kInventoryShrank,
                                       kRuleTestsFailed,
                                       kCompileTimeout,
                                       kCompileFailed,
                                       kBadSignature,
                                       kSignatureRequired,
                                       kRateLimited,
                                       kInternal,
                                       kIo,
                                       kNoWorker,
                                       kWorkersDisagree};
constexpr ErrorCode kRollbackErrors[] = {
    kUnknownModule,  kUnknownVersion, kNoPreviousVersion, kConfigureFailed, kMemoryLimit, kInternal, kIo,
    kWorkersDisagree};
constexpr ErrorCode kRemoveErrors[] = {
    kHotReloadDisabled, kFrozen, kUnknownModule,  kVersionConflict, kReloadInProgress, kConfigureFailed, kMemoryLimit,
    kInternal,          kIo,     kWorkersDisagree};
#define SECBEAT_RULE_ERRORS                                                                                          \
  kBadJson, kHotReloadDisabled, kFrozen, kVersionConflict, kQuarantined, kReloadInProgress, kCancelled,              \
      kPreconditionFailed, kBadRule, kInvalidWasm, kMissingExport, kForbiddenImport, kInvalidAction, kSampleTrapped, \
      kSampleTimeout, kConfigureFailed, kMemoryLimit, kCostLimit, kRuleTestsFailed, kCompileTimeout, kCompileFailed, \
      kBadSignature, kSignatureRequired, kInternal, kIo, kNoWorker, kWorkersDisagree
constexpr ErrorCode kAddRuleErrors[] = {SECBEAT_RULE_ERRORS, kRuleExists, kUnknownModule};
constexpr ErrorCode kPutRulesErrors[] = {SECBEAT_RULE_ERRORS, kPreconditionRequired, kInventoryShrank, kUnknownModule};
constexpr ErrorCode kPutRuleErrors[] = {SECBEAT_RULE_ERRORS, kUnknownRule};
constexpr ErrorCode kRemoveRuleErrors[] = {
    kHotReloadDisabled, kFrozen,      kVersionConflict,    kQuarantined,     kReloadInProgress, kCancelled,
    kUnknownRule,       kBadRequest,  kPreconditionFailed, kSampleTrapped,   kSampleTimeout,    kInvalidAction,
    kConfigureFailed,   kMemoryLimit, kCostLimit,          kRuleTestsFailed, kCompileTimeout,   kCompileFailed,
    kInternal,          kIo,          kNoWorker,           kWorkersDisagree};
#undef SECBEAT_RULE_ERRORS
constexpr ErrorCode kRulesErrors[] = {kInternal, kIo};
constexpr ErrorCode kRuleErrors[] = {kUnknownRule, kBadRequest, kInternal, kIo};
constexpr ErrorCode kUnknownModuleErrors[] = {kUnknownModule, kInternal};
constexpr ErrorCode kWatchEndErrors[] = {kUnknownModule, kNoWatch, kInternal};
constexpr ErrorCode kLedgerErrors[] = {kUnknownModule, kInternal, kIo};
constexpr ErrorCode kBytesErrors[] = {kBadRequest, kUnknownVersion, kInternal, kIo};
constexpr ErrorCode kOwnErrors[] = {kInternal};
constexpr ErrorCode kReadyErrors[] = {kInternal, kNotReady};

// -- routes ------------------------------------------------------------------------------------------------------

constexpr Route kRoutes[] = {
    {.method = "POST",
     .path = "/api/v1/wasm/reload",
     .handler = on<&handle_reload>,
     .operation = "reload",
     .summary = "Replace a module or its configuration",
     .lane = Lane::kWork,
     .body = BodyKind::kUpload,
     .fields = kReloadFields,
     .answers = kReloadAnswers,
     .errors = kReloadErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/load",
     .handler = on<&handle_load>,
     .operation = "load",
     .summary = "The same as reload, under the name that a first load goes by",
     .lane = Lane::kWork,
     .body = BodyKind::kUpload,
     .fields = kReloadFields,
     .answers = kReloadAnswers,
     .errors = kReloadErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/validate",
     .handler = on<&handle_validate>,
     .operation = "validate",
     .summary = "Every check of a reload, and no swap",
     .lane = Lane::kWork,
     .body = BodyKind::kUpload,
     .fields = kValidateFields,
     .answers = kValidateAnswers,
     .errors = kValidateErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/rollback",
     .handler = on<&handle_rollback>,
     .operation = "rollback",
     .summary = "Bring back a version that is kept, or a module that was removed",
     .lane = Lane::kRollback,
     .body = BodyKind::kFields,
     .fields = kRollbackFields,
     .answers = kRollbackAnswers,
     .errors = kRollbackErrors},
    {.method = "DELETE",
     .path = "/api/v1/wasm/modules/{name}",
     .handler = on<&handle_remove>,
     .operation = "remove",
     .summary = "Take a module out of the chain",
     .lane = Lane::kWork,
     .query = kRemoveQuery,
     .in_path = kNameQuery,
     .answers = kRemoveAnswers,
     .errors = kRemoveErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/watch/end",
     .handler = on<&handle_watch_end>,
     .operation = "endWatch",
     .summary = "End the watch over a new version; the version stays",
     .query = kNameQuery,
     .answers = kWatchEndAnswers,
     .errors = kWatchEndErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/version",
     .handler = on<&handle_version>,
     .operation = "version",
     .summary = "The version of a module that serves",
     .query = kNameQuery,
     .answers = kVersionAnswers,
     .errors = kUnknownModuleErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/modules",
     .handler = on<&handle_modules>,
     .operation = "modules",
     .summary = "The chain, in the order in which requests meet it",
     .answers = kModulesAnswers,
     .errors = kOwnErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/history",
     .handler = on<&handle_history>,
     .operation = "history",
     .summary = "Attempts to change what is in force, newest first",
     .query = kListQuery,
     .answers = kHistoryAnswers,
     .errors = kLedgerErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/errors",
     .handler = on<&handle_errors>,
     .operation = "errors",
     .summary = "Errors of modules, those seen last first",
     .query = kErrorsQuery,
     .answers = kErrorsAnswers,
     .errors = kUnknownModuleErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/versions",
     .handler = on<&handle_versions>,
     .operation = "versions",
     .summary = "Versions that the node remembers, newest first",
     .query = kListQuery,
     .answers = kVersionsAnswers,
     .errors = kLedgerErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/versions/{sha256}",
     .handler = on<&handle_module_bytes>,
     .operation = "moduleBytes",
     .summary = "The bytes of a module",
     .in_path = kSha256InPath,
     .media = "application/wasm",
     .errors = kBytesErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/operation",
     .handler = on<&handle_operation>,
     .operation = "operation",
     .summary = "What changes what is in force at this moment",
     .answers = kOperationAnswers,
     .errors = kOwnErrors},
    {.method = "GET",
     .path = "/api/v1/rules",
     .handler = on<&handle_rules>,
     .operation = "rules",
     .summary = "The rules of universal-waf, as a document",
     .errors = kRulesErrors},
    {.method = "PUT",
     .path = "/api/v1/rules",
     .handler = on<&handle_put_rules>,
     .operation = "putRules",
     .summary = "Replace all rules; takes If-Match",
     .lane = Lane::kWork,
     .body = BodyKind::kJson,
     .query = kRuleQuery,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kPutRulesErrors},
    {.method = "POST",
     .path = "/api/v1/rules",
     .handler = on<&handle_add_rule>,
     .operation = "addRule",
     .summary = "Add a rule",
     .lane = Lane::kWork,
     .body = BodyKind::kJson,
     .query = kRuleQuery,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kAddRuleErrors},
    {.method = "GET",
     .path = "/api/v1/rules/active",
     .handler = on<&handle_active_rules>,
     .operation = "activeRules",
     .summary = "The rules by which requests are decided now, and how often each did",
     .answers = kActiveRulesAnswers,
     .errors = kRulesErrors},
    {.method = "GET",
     .path = "/api/v1/rules/stats",
     .handler = on<&handle_rule_stats>,
     .operation = "ruleStats",
     .summary = "The rules of universal-waf in figures",
     .answers = kRuleStatsAnswers,
     .errors = kRulesErrors},
    {.method = "GET",
     .path = "/api/v1/rules/{id}",
     .handler = on<&handle_rule>,
     .operation = "rule",
     .summary = "A rule",
     .in_path = kRuleInPath,
     .errors = kRuleErrors},
    {.method = "PUT",
     .path = "/api/v1/rules/{id}",
     .handler = on<&handle_put_rule>,
     .operation = "putRule",
     .summary = "Replace a rule",
     .lane = Lane::kWork,
     .body = BodyKind::kJson,
     .query = kRuleQuery,
     .in_path = kRuleInPath,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kPutRuleErrors},
    {.method = "DELETE",
     .path = "/api/v1/rules/{id}",
     .handler = on<&handle_remove_rule>,
     .operation = "removeRule",
     .summary = "Remove a rule",
     .lane = Lane::kWork,
     .query = kRuleQuery,
     .in_path = kRuleInPath,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kRemoveRuleErrors},
    {.method = "POST",
     .path = "/api/v1/freeze",
     .handler = on<&handle_freeze>,
     .operation = "freeze",
     .summary = "No change of the rules but a rollback, until unfreeze",
     .role = Role::kAdmin,
     .lane = Lane::kEmergency,
     .body = BodyKind::kFields,
     .fields = kFreezeFields,
     .answers = kBreakGlassResultAnswers},
    {.method = "POST",
     .path = "/api/v1/unfreeze",
     .handler = on<&handle_unfreeze>,
     .operation = "unfreeze",
     .summary = "Changes are possible again",
     .role = Role::kAdmin,
     .lane = Lane::kEmergency,
     .body = BodyKind::kFields,
     .fields = kUnfreezeFields,
     .answers = kBreakGlassResultAnswers},
    {.method = "POST",
     .path = "/api/v1/bypass",
     .handler = on<&handle_bypass>,
     .operation = "bypass",
     .summary = "Every request passes uninspected for a while",
     .role = Role::kAdmin,
     .lane = Lane::kEmergency,
     .body = BodyKind::kFields,
     .fields = kBypassFields,
     .answers = kBreakGlassResultAnswers},
    {.method = "POST",
     .path = "/api/v1/drill",
     .handler = on<&handle_drill>,
     .operation = "drill",
     .summary = "Whether bypass, freeze and rollback would work; clients notice nothing",
     .role = Role::kAdmin,
     .lane = Lane::kWork,
     .answers = kDrillAnswers},
    {.method = "GET",
     .path = "/api/v1/break-glass",
     .handler = on<&handle_break_glass>,
     .operation = "breakGlass",
     .summary = "What freeze, bypass and rollback have in effect",
     .answers = kBreakGlassAnswers},
    {.method = "GET",
     .path = "/api/v1/requests",
     .handler = on<&handle_requests>,
     .operation = "requests",
     .summary = "The newest requests that were not simply let through",
     .query = kRequestsQuery,
     .answers = kRequestsAnswers,
     .errors = kOwnErrors},
    {.method = "GET",
     .path = "/metrics",
     .handler = on<&handle_metrics>,
     .operation = "metrics",
     .summary = "Metrics in Prometheus' text format",
     .media = "text/plain",
     .errors = kOwnErrors},
    {.method = "GET",
     .path = "/rules.schema.json",
     .handler = on<&handle_rules_schema>,
     .operation = "rulesSchema",
     .summary = "The JSON Schema of a document of rules (draft 2020-12), for editors and generators"},
    {.method = "GET",
     .path = "/healthz",
     .handler = on<&handle_healthz>,
     .operation = "healthz",
     .summary = "Whether the agent lives",
     .role = Role::kNone,
     .answers = kHealthAnswers},
    {.method = "GET",
     .path = "/readyz",
     .handler = on<&handle_readyz>,
     .operation = "readyz",
     .summary = "Whether every worker serves what is in force",
     .role = Role::kNone,
     .answers = kHealthAnswers,
     .errors = kReadyErrors},
    {.method = "GET",
     .path = "/openapi.json",
     .handler = on<&handle_openapi>,
     .operation = "openapi",
     .summary = "This document"},
};

}  // namespace

std::span<const Route> all_routes() { return kRoutes; }

const http::Service& node_service() {
  static const http::Service service{.name = "node",
                                     .title = "SecBeat node",
                                     .description = kDescription,
                                     .routes = kRoutes,
                                     .error = &documents::kError};
  return service;
}

HttpResponse handle_openapi(const ApiContext&, HttpRequest&) {
  static const std::string document = http::openapi_document(node_service()).dump() + "\n";
  HttpResponse response;
  response.body = document;
  return response;
}

}  // namespace secbeat::agent
