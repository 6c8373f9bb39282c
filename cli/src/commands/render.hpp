// Answers of a node as text for people; the shapes are what each rendering needs and no more.
//
// Thread safety: free functions without shared state.
#pragma once

#include <array>
#include <string>

#include "node_api/answer.hpp"

namespace secbeat::cli {

inline constexpr std::array kReloadShape = {
    Field{"success", Kind::kFlag},  Field{"message", Kind::kText},  Field{"name", Kind::kText},
    Field{"stages", Kind::kObject}, Field{"warnings", Kind::kList}, Field{"previous_version", Kind::kTextOrNull},
};
inline constexpr std::array kRollbackShape = {
    Field{"success", Kind::kFlag},        Field{"name", Kind::kText},
    Field{"rolled_back_to", Kind::kText}, Field{"from_version", Kind::kTextOrNull},
    Field{"reason", Kind::kText},         Field{"workers", Kind::kObject},
};
inline constexpr std::array kRemovalShape = {
    Field{"success", Kind::kFlag},         Field{"message", Kind::kText},  Field{"name", Kind::kText},
    Field{"removed_version", Kind::kText}, Field{"warnings", Kind::kList},
};
inline constexpr std::array kRulesShape = {Field{"rules", Kind::kList}};
inline constexpr std::array kRuleStatsShape = {Field{"total_dynamic_rules", Kind::kNumber},
                                               Field{"active_rules", Kind::kNumber},
                                               Field{"total_blocks", Kind::kNumber}};
inline constexpr std::array kFleetRuleShape = {
    Field{"message", Kind::kText},  Field{"version", Kind::kTextOrNull}, Field{"expires_at", Kind::kTextOrNull},
    Field{"deployed", Kind::kFlag}, Field{"deployed_to", Kind::kList},   Field{"failed", Kind::kList},
};
inline constexpr std::array kRuleDeploymentShape = {
    Field{"rule_id", Kind::kText},
    Field{"deployed_to", Kind::kNumber},
    Field{"failed", Kind::kNumber},
};
inline constexpr std::array kRuleShape = {Field{"id", Kind::kText}};
inline constexpr std::array kRuleChangeShape = {
    Field{"success", Kind::kFlag},          Field{"message", Kind::kText}, Field{"name", Kind::kText},
    Field{"expires_at", Kind::kTextOrNull}, Field{"dropped", Kind::kList}, Field{"warnings", Kind::kList},
};
inline constexpr std::array kVersionShape = {
    Field{"name", Kind::kText}, Field{"version", Kind::kTextOrNull}, Field{"size_bytes", Kind::kNumber},
    Field{"kept", Kind::kList}, Field{"workers", Kind::kList},       Field{"workers[].pid", Kind::kNumber},
};
inline constexpr std::array kWatchShape = {Field{"name", Kind::kText}};
inline constexpr std::array kWatchEndShape = {
    Field{"success", Kind::kFlag}, Field{"message", Kind::kText}, Field{"name", Kind::kText},
    Field{"version", Kind::kText}, Field{"watch", Kind::kObject},
};
inline constexpr std::array kBreakGlassShape = {
    Field{"taken_back", Kind::kList},
    Field{"requests_bypassed", Kind::kNumber},
    Field{"workers", Kind::kObject},
};
inline constexpr std::array kBreakGlassResultShape = {
    Field{"success", Kind::kFlag},
    Field{"message", Kind::kText},
    Field{"state", Kind::kObject},
    Field{"warnings", Kind::kList},
};
inline constexpr std::array kDrillShape = {
    Field{"healthy", Kind::kFlag},         Field{"checks", Kind::kList},         Field{"checks[].check", Kind::kText},
    Field{"checks[].result", Kind::kText}, Field{"checks[].found", Kind::kText},
};
inline constexpr std::array kHistoryShape = {
    Field{"reloads", Kind::kList},
    Field{"reloads[].timestamp", Kind::kText},
    Field{"reloads[].success", Kind::kFlag},
};
inline constexpr std::array kModulesShape = {
    Field{"modules", Kind::kList},
    Field{"modules[].name", Kind::kText},
    Field{"modules[].size", Kind::kNumber},
};
inline constexpr std::array kFleetAcceptedShape = {Field{"rollout_id", Kind::kText}};
inline constexpr std::array kFleetRollbackShape = {
    Field{"success", Kind::kFlag},
    Field{"rolled_back_to", Kind::kText},
    Field{"deployed_to", Kind::kList},
    Field{"failed", Kind::kList},
};
inline constexpr std::array kSyncShape = {
    Field{"success", Kind::kFlag}, Field{"synced", Kind::kList},      Field{"already_current", Kind::kList},
    Field{"failed", Kind::kList},  Field{"unreachable", Kind::kList},
};
inline constexpr std::array kNodesShape = {
    Field{"nodes", Kind::kList},
    Field{"nodes[].node", Kind::kText},
    Field{"nodes[].ready", Kind::kFlag},
    Field{"nodes[].modules", Kind::kObject},
};
inline constexpr std::array kFleetVersionsShape = {Field{"modules", Kind::kList},
                                                   Field{"modules[].nodes", Kind::kList}};
inline constexpr std::array kRolloutShape = {
    Field{"id", Kind::kText},       Field{"state", Kind::kText},       Field{"ended", Kind::kFlag},
    Field{"wave", Kind::kNumber},   Field{"waves", Kind::kList},       Field{"waves[].nodes", Kind::kList},
    Field{"left_out", Kind::kList}, Field{"error", Kind::kTextOrNull},
};
inline constexpr std::array kRolloutsShape = {
    Field{"rollouts", Kind::kList},
    Field{"rollouts[].id", Kind::kText},
    Field{"rollouts[].state", Kind::kText},
};
inline constexpr std::array kReadyShape = {Field{"status", Kind::kText}};
inline constexpr std::array kErrorsShape = {
    Field{"window_seconds", Kind::kNumber}, Field{"totals", Kind::kObject},
    Field{"errors", Kind::kList},           Field{"errors[].kind", Kind::kText},
    Field{"errors[].count", Kind::kNumber}, Field{"errors[].sample", Kind::kObject},
};
inline constexpr std::array kRequestsShape = {
    Field{"requests", Kind::kList},
    Field{"requests[].time", Kind::kText},
    Field{"requests[].verdict", Kind::kText},
};

std::string render_reload(const Json& answer);
std::string render_rollback(const Json& answer);
std::string render_removal(const Json& answer);
// `active`: the answer of /rules/active, or nothing.
std::string render_rules(const Json& answer, const Json& active);
std::string render_rule_stats(const Json& answer);
std::string render_rule_change(const Json& answer);
std::string render_watch(const Json& answer);  // of a version
std::string render_watch_end(const Json& answer);
// A line for each module whose watch is running; empty: none is.
std::string render_running_watches(const Json& modules);
// A line for each thing that is in effect; empty: nothing is.
std::string render_break_glass(const Json& state);
std::string render_break_glass_result(const Json& answer);
std::string render_drill(const Json& checks);
std::string render_version(const Json& answer);
std::string render_history(const Json& answer);
std::string render_modules(const Json& answer);
std::string render_errors(const Json& answer);
std::string render_requests(const Json& answer);

// Of an orchestrator: render_fleet.cpp.
std::string render_fleet_rollback(const Json& answer);
std::string render_sync(const Json& answer);
std::string render_nodes(const Json& answer);
std::string render_rollouts(const Json& answer);
std::string render_rollout(const Json& rollout);

}  // namespace secbeat::cli
