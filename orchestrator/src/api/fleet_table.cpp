// The routes of the orchestrator's API: see secbeat/http/route.hpp.
#include "fleet_context.hpp"
#include "fleet_documents.hpp"
#include "fleet_rule_documents.hpp"
#include "secbeat/http/openapi.hpp"

namespace secbeat::orchestrator {
namespace {

using enum ErrorCode;
using namespace http;  // the words of the table
using Answers = const DocumentType* const;

constexpr std::string_view kDescription =
    "What an orchestrator of SecBeat does and shows: one call changes the rules of every node. Every answer has "
    "X-Request-Id. Besides the answers below: an unknown path is a 404 `not_found`, a wrong method a 405 "
    "`method_not_allowed` with Allow, both as Error.";
constexpr std::string_view kBooleans[] = {"true", "false"};
constexpr std::int64_t kSecondsOfADay = 86400;

constexpr Schema kModuleName = text("The module").matching("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$");
constexpr Input kName{"name", kModuleName};
constexpr Input kReason{"reason",
                        text("Why, for the history: up to 1000 bytes, no control characters").within(1, 1000)};
constexpr Input kTarget{
    "target", text("all, names of nodes with commas between them, or label=value").within(1, 65536).by_default("all")};
constexpr Input kReloadFields[] = {
    {"file", bytes("The module; without it only the configuration changes")},
    kName,
    {"config", text("The module's configuration, JSON; default: the one that is desired is kept")},
    {"expected_version", text("Only if every node serves this version").within(1, 128)},
    kReason,
    {"force", one_of(kBooleans, "Passes the nodes' gates that judge behaviour").by_default("false")},
    kTarget,
    {"signature", text("Of the file: the text that secbeat sign writes; each node checks it by its own keys")},
    {"canary", text("Nodes of the first wave: a number, or a part such as 5%").within(1, 64)},
    {"waves", text("How much of the fleet is reached after each wave, such as 1,25%,100%").within(1, 128)},
    {"max_unavailable", count("Nodes that may be out of reach")},
    {"observe_seconds", count("After each wave but the last").within(0, kSecondsOfADay).by_default("0")},
    {"wait", one_of(kBooleans, "Whether the call is answered when the rollout has ended").by_default("true")},
};
constexpr Input kRollbackFields[] = {
    kName, {"to_version", text("A label; default: the one before").within(1, 128)}, kReason, kTarget};
constexpr Input kSyncFields[] = {kName, kReason};
constexpr Input kLimitQuery[] = {{"limit", count("Rows").within(1, 1000).by_default("50")}};
constexpr Input kIdInPath[] = {{"id", text("Of the rollout").matching("^[a-z0-9-]{1,64}$")}};

constexpr Input kRuleQuery[] = {kReason};
constexpr Input kRuleInPath[] = {{"id", text("Of the rule").matching("^[A-Za-z0-9._:-]{1,100}$")}};

constexpr Answers kReloadAnswers[] = {&documents::kFleetReload};
constexpr Answers kRollbackAnswers[] = {&documents::kFleetRollback};
constexpr Answers kSyncAnswers[] = {&documents::kSync};
constexpr Answers kNodesAnswers[] = {&documents::kNodes};
constexpr Answers kVersionsAnswers[] = {&documents::kVersions};
constexpr Answers kRolloutAnswers[] = {&documents::kRollout};
constexpr Answers kRolloutsAnswers[] = {&documents::kRollouts};
constexpr Answers kHistoryAnswers[] = {&documents::kFleetHistory};
constexpr Answers kRuleChangeAnswers[] = {&documents::kFleetRuleChange};
constexpr Answers kDeploymentAnswers[] = {&documents::kRuleDeployment};
constexpr Answers kActiveRulesAnswers[] = {&documents::kFleetActiveRules};
constexpr Answers kRuleStatsAnswers[] = {&documents::kFleetRuleStats};
constexpr Answers kHealthAnswers[] = {&documents::kFleetHealth};

// Of JetStream: it is not reached, stalls, or holds what cannot be read.
#define SECBEAT_READ_ERRORS kNotReady, kIo, kProtocol, kInternal
#define SECBEAT_STORE_ERRORS SECBEAT_READ_ERRORS, kPreconditionFailed  // who comes second with a write
constexpr ErrorCode kReloadErrors[] = {
    SECBEAT_STORE_ERRORS, kMissingFile,     kBadConfigJson,    kInvalidWasm, kTooLarge,
    kVersionConflict,     kNoNodes,         kReloadInProgress, kStageFailed, kUnreachable,
    kMaxUnavailable,      kRolloutReverted, kRolloutAborted,   kNotFound,    kWorkersDisagree};
constexpr ErrorCode kRollbackErrors[] = {
    SECBEAT_STORE_ERRORS, kUnknownModule,  kUnknownVersion,  kNoPreviousVersion, kNoNodes,     kReloadInProgress,
    kUnreachable,         kMaxUnavailable, kRolloutReverted, kRolloutAborted,    kStageFailed, kNotFound};
constexpr ErrorCode kSyncErrors[] = {SECBEAT_STORE_ERRORS, kUnknownModule, kNoNodes, kReloadInProgress, kNotFound};
constexpr ErrorCode kReadErrors[] = {SECBEAT_READ_ERRORS};
constexpr ErrorCode kRolloutErrors[] = {SECBEAT_READ_ERRORS, kUnknownRollout};
constexpr ErrorCode kSteerErrors[] = {SECBEAT_READ_ERRORS, kUnknownRollout, kRolloutEnded};
#define SECBEAT_RULE_ERRORS                                                                                            \
  SECBEAT_STORE_ERRORS, kConfigureFailed, kVersionConflict, kReloadInProgress, kUnknownModule, kNoNodes, kStageFailed, \
      kUnreachable, kRolloutReverted, kRolloutAborted, kNotFound, kUnknownRollout, kTooLarge, kShuttingDown
constexpr ErrorCode kAddRuleErrors[] = {SECBEAT_RULE_ERRORS, kBadJson,     kBadRule,   kLowConfidence,
                                        kTooManyRules,       kRateLimited, kRuleExists};
constexpr ErrorCode kDeployRuleErrors[] = {SECBEAT_RULE_ERRORS, kBadJson,     kBadRule,    kLowConfidence,
                                           kTooManyRules,       kRateLimited, kRuleExists, kUnknownRule,
                                           kBadRequest,         kUnknownField};
constexpr ErrorCode kRemoveRuleErrors[] = {SECBEAT_RULE_ERRORS, kUnknownRule, kBadRequest};
constexpr ErrorCode kRulesErrors[] = {SECBEAT_READ_ERRORS, kNotFound};
constexpr ErrorCode kRuleErrors[] = {SECBEAT_READ_ERRORS, kNotFound, kUnknownRule, kBadRequest};
constexpr ErrorCode kReadyErrors[] = {kNotReady};

// What waits for nodes is kWork: kEmergency is for pause and abort.
constexpr Route kRoutes[] = {
    {.method = "POST",
     .path = "/api/v1/wasm/reload-fleet",
     .handler = on<&handle_reload_fleet>,
     .operation = "reloadFleet",
     .summary = "Brings a version to every node, in two phases and in waves",
     .lane = Lane::kWork,
     .body = BodyKind::kUpload,
     .fields = kReloadFields,
     .answers = kReloadAnswers,
     .accepted = &documents::kAccepted,
     .errors = kReloadErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/deploy",
     .handler = on<&handle_reload_fleet>,
     .operation = "deploy",
     .summary = "The same, by the name that suits a module that is new to the fleet",
     .lane = Lane::kWork,
     .body = BodyKind::kUpload,
     .fields = kReloadFields,
     .answers = kReloadAnswers,
     .accepted = &documents::kAccepted,
     .errors = kReloadErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/rollback-fleet",
     .handler = on<&handle_rollback_fleet>,
     .operation = "rollbackFleet",
     .summary = "Takes every node back, at once",
     .lane = Lane::kRollback,
     .body = BodyKind::kFields,
     .fields = kRollbackFields,
     .answers = kRollbackAnswers,
     .errors = kRollbackErrors},
    {.method = "POST",
     .path = "/api/v1/wasm/sync-versions",
     .handler = on<&handle_sync>,
     .operation = "syncVersions",
     .summary = "Brings every node to the versions that are desired",
     .lane = Lane::kWork,
     .body = BodyKind::kFields,
     .fields = kSyncFields,
     .answers = kSyncAnswers,
     .errors = kSyncErrors},
    {.method = "GET",
     .path = "/api/v1/rules",
     .handler = on<&handle_rules>,
     .operation = "rules",
     .summary = "The rules that every node is to have, as a document",
     .lane = Lane::kEmergency,
     .errors = kRulesErrors},
    {.method = "POST",
     .path = "/api/v1/rules",
     .handler = on<&handle_add_rule>,
     .operation = "addRule",
     .summary = "Add a rule on every node; with \"deploy\": false it waits for rules/deploy",
     .lane = Lane::kWork,
     .body = BodyKind::kJson,
     .query = kRuleQuery,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kAddRuleErrors},
    {.method = "POST",
     .path = "/api/v1/rules/deploy",
     .handler = on<&handle_deploy_rule>,
     .operation = "deployRule",
     .summary = "A rule, or one that was entered before, to every node",
     .lane = Lane::kWork,
     .body = BodyKind::kJson,
     .query = kRuleQuery,
     .takes_if_match = true,
     .answers = kDeploymentAnswers,
     .errors = kDeployRuleErrors},
    {.method = "GET",
     .path = "/api/v1/rules/active",
     .handler = on<&handle_active_rules>,
     .operation = "activeRules",
     .summary = "The rules by which requests are decided now, and how often each did on all nodes",
     .lane = Lane::kWork,
     .answers = kActiveRulesAnswers,
     .errors = kRulesErrors},
    {.method = "GET",
     .path = "/api/v1/rules/stats",
     .handler = on<&handle_rule_stats>,
     .operation = "ruleStats",
     .summary = "The rules in figures",
     .lane = Lane::kWork,
     .answers = kRuleStatsAnswers,
     .errors = kRulesErrors},
    {.method = "GET",
     .path = "/api/v1/rules/{id}",
     .handler = on<&handle_rule>,
     .operation = "rule",
     .summary = "A rule",
     .lane = Lane::kEmergency,
     .in_path = kRuleInPath,
     .errors = kRuleErrors},
    {.method = "DELETE",
     .path = "/api/v1/rules/{id}",
     .handler = on<&handle_remove_rule>,
     .operation = "removeRule",
     .summary = "Remove a rule from every node",
     .lane = Lane::kWork,
     .query = kRuleQuery,
     .in_path = kRuleInPath,
     .takes_if_match = true,
     .answers = kRuleChangeAnswers,
     .errors = kRemoveRuleErrors},
    {.method = "GET",
     .path = "/api/v1/nodes",
     .handler = on<&handle_nodes>,
     .operation = "nodes",
     .summary = "The nodes that report, and what each serves",
     .lane = Lane::kEmergency,
     .answers = kNodesAnswers,
     .errors = kReadErrors},
    {.method = "GET",
     .path = "/api/v1/versions",
     .handler = on<&handle_versions>,
     .operation = "versions",
     .summary = "By module, what is desired, and which node drifts and why",
     .lane = Lane::kEmergency,
     .answers = kVersionsAnswers,
     .errors = kReadErrors},
    {.method = "GET",
     .path = "/api/v1/rollouts",
     .handler = on<&handle_rollouts>,
     .operation = "rollouts",
     .summary = "Changes of the fleet, those that go on and those that have ended",
     .lane = Lane::kEmergency,
     .query = kLimitQuery,
     .answers = kRolloutsAnswers,
     .errors = kReadErrors},
    {.method = "GET",
     .path = "/api/v1/rollouts/{id}",
     .handler = on<&handle_rollout>,
     .operation = "rollout",
     .summary = "How far a rollout is, by wave and node",
     .lane = Lane::kEmergency,
     .in_path = kIdInPath,
     .answers = kRolloutAnswers,
     .errors = kRolloutErrors},
    {.method = "POST",
     .path = "/api/v1/rollouts/{id}/pause",
     .handler = on<&handle_pause>,
     .operation = "pauseRollout",
     .summary = "Nothing more swaps until it is resumed",
     .lane = Lane::kEmergency,
     .in_path = kIdInPath,
     .answers = kRolloutAnswers,
     .errors = kSteerErrors},
    {.method = "POST",
     .path = "/api/v1/rollouts/{id}/resume",
     .handler = on<&handle_resume>,
     .operation = "resumeRollout",
     .summary = "A paused rollout goes on",
     .lane = Lane::kEmergency,
     .in_path = kIdInPath,
     .answers = kRolloutAnswers,
     .errors = kSteerErrors},
    {.method = "POST",
     .path = "/api/v1/rollouts/{id}/abort",
     .handler = on<&handle_abort>,
     .operation = "abortRollout",
     .summary = "Ends a rollout and takes back what it has reached",
     .lane = Lane::kEmergency,
     .in_path = kIdInPath,
     .answers = kRolloutAnswers,
     .errors = kSteerErrors},
    {.method = "GET",
     .path = "/api/v1/wasm/history",
     .handler = on<&handle_history>,
     .operation = "history",
     .summary = "What was done to the fleet, the newest first",
     .lane = Lane::kEmergency,
     .query = kLimitQuery,
     .answers = kHistoryAnswers,
     .errors = kReadErrors},
    {.method = "GET",
     .path = "/metrics",
     .handler = on<&handle_metrics>,
     .operation = "metrics",
     .summary = "Metrics in Prometheus' text format",
     .lane = Lane::kEmergency,
     .media = "text/plain",
     .errors = kReadErrors},
    {.method = "GET",
     .path = "/healthz",
     .handler = on<&handle_healthz>,
     .operation = "healthz",
     .summary = "Whether the orchestrator lives",
     .role = Role::kNone,
     .answers = kHealthAnswers},
    {.method = "GET",
     .path = "/readyz",
     .handler = on<&handle_readyz>,
     .operation = "readyz",
     .summary = "Whether it reaches NATS and the fleet's buckets are there",
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

const http::Service& orchestrator_service() {
  static const http::Service service{.name = "orchestrator",
                                     .title = "SecBeat orchestrator",
                                     .description = kDescription,
                                     .routes = kRoutes,
                                     .error = &documents::kFleetError};
  return service;
}

HttpResponse handle_openapi(const FleetContext&, HttpRequest&) {
  static const std::string document = http::openapi_document(orchestrator_service()).dump() + "\n";
  HttpResponse response;
  response.body = document;
  return response;
}

}  // namespace secbeat::orchestrator
