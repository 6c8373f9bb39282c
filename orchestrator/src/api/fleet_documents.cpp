#include "fleet_documents.hpp"

#include <algorithm>

#include "secbeat/http/value.hpp"

namespace secbeat::orchestrator {
using namespace http;  // the words of documents

static Json value_of(const NodeFailure& failure);
static Json value_of(const fleet::NodeStatus& status);
static Json value_of(const ModuleVersions& versions);
static Json value_of(const NodeVersion& version);
static Json value_of(const fleet::RolloutNode& node);
static Json value_of(const fleet::Wave& wave);
static Json value_of(const fleet::Rollout& rollout);

namespace {

constexpr auto kSometimes = Member::Presence::kSometimes;

template <class T>
Json list_of(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(orchestrator::value_of(value));
  return list;
}
template <auto Pointer, class Object = http::detail::ClassOf<Pointer>>
Json listed(const void* object) {
  return list_of(static_cast<const Object*>(object)->*Pointer);
}

constexpr Member kNodeFailureMembers[] = {
    {"node", text(), member<&NodeFailure::node>},
    {"error", text("For a person"), member<&NodeFailure::error>},
    {"code", text("The node's own, or unreachable"), member<&NodeFailure::code>},
};
constexpr DocumentType kNodeFailure{"NodeFailure", "A node on which it did not come about", kNodeFailureMembers};
constexpr Schema kFailures = document(kNodeFailure).list();
constexpr Schema kNodeNames = text("Name of a node").list();

constexpr Member kWaveNamesMembers[] = {{"nodes", kNodeNames}};
constexpr DocumentType kWaveNames{"WaveNames", "Nodes that swapped together", kWaveNamesMembers};
Json waves_of(const FleetResult& result) {
  Json list = Json::array();
  for (const auto& nodes : result.waves) list.push_back({{"nodes", nodes}});
  return list;
}

constexpr Member kFleetReloadMembers[] = {
    {"success", flag("true"), always_true},
    {"deployed_to", kNodeNames, member<&FleetResult::deployed_to>},
    {"failed", kFailures, listed<&FleetResult::failed>},
    {"total_downtime_ms", count("The sum of what the nodes measured"), member<&FleetResult::total_downtime_ms>},
    {"rollout_id", text(), member<&FleetResult::rollout>},
    {"version", text("The label that it has on every node"), member<&FleetResult::version>},
    {"revision", count("Of the desired state"), member<&FleetResult::revision>},
    {"waves", document(kWaveNames).list(), computed<FleetResult, waves_of>},
};

Json rolled_back_to(const RolledBack& done) { return done.result.version; }
Json deployed_of(const RolledBack& done) { return done.result.deployed_to; }
Json failed_of(const RolledBack& done) { return list_of(done.result.failed); }
Json downtime_of(const RolledBack& done) { return done.result.total_downtime_ms; }
Json rollout_of(const RolledBack& done) { return done.result.rollout; }
// Who is out of reach comes back when it is there again; who was there and failed serves what was to go.
Json is_back(const RolledBack& done) {
  return std::ranges::all_of(done.result.failed, [](const NodeFailure& failure) {
    return failure.code == secbeat::word_of(ErrorCode::kUnreachable);
  });
}
constexpr Member kFleetRollbackMembers[] = {
    {"success", flag("Whether every node that could be reached is back"), computed<RolledBack, is_back>},
    {"rolled_back_to", text("The label"), computed<RolledBack, rolled_back_to>},
    {"reason", text(), member<&RolledBack::reason>},
    {"deployed_to", kNodeNames, computed<RolledBack, deployed_of>},
    {"failed", kFailures, computed<RolledBack, failed_of>},
    {"total_downtime_ms", count("The sum of what the nodes measured"), computed<RolledBack, downtime_of>},
    {"rollout_id", text(), computed<RolledBack, rollout_of>},
};

Json location_of(const Accepted& accepted) { return "/api/v1/rollouts/" + accepted.rollout; }
constexpr Member kAcceptedMembers[] = {
    {"success", flag("true"), always_true},
    {"rollout_id", text(), member<&Accepted::rollout>},
    {"location", text("Where it is told how far it is"), computed<Accepted, location_of>},
};

Json desired_of(const SyncResult& result) {
  Json json = Json::object();
  for (const fleet::DesiredModule& module : result.desired.modules) json[module.name] = module.version.label;
  return json;
}
constexpr Member kSyncMembers[] = {
    {"success", flag("Whether no node failed"),
     [](const void* object) -> Json { return static_cast<const SyncResult*>(object)->failed.empty(); }},
    {"desired", object("By module, the version that is desired"), computed<SyncResult, desired_of>},
    {"synced", kNodeNames, member<&SyncResult::synced>},
    {"already_current", kNodeNames, member<&SyncResult::already_current>},
    {"failed", kFailures, listed<&SyncResult::failed>},
    {"unreachable", kFailures, listed<&SyncResult::unreachable>},
};

Json modules_of(const fleet::NodeStatus& status) {
  Json json = Json::object();
  for (const fleet::ModuleStatus& module : status.modules) {
    json[module.name] = {{"version", module.version.label.empty() ? Json() : Json(module.version.label)},
                         {"sha256", module.version.sha256},
                         {"revision", module.reached},
                         {"drift", module.drift.empty() ? Json() : Json(module.drift)}};
  }
  return json;
}
Json labels_of(const fleet::NodeStatus& status) {
  Json json = Json::object();
  for (const auto& [name, value] : status.labels) json[name] = value;
  return json;
}
constexpr Member kNodeMembers[] = {
    {"node", text(), member<&fleet::NodeStatus::node>},
    {"labels", object("Of [node.labels]"), computed<fleet::NodeStatus, labels_of>},
    {"modules", object("By name: version, sha256, revision that was reached, drift"),
     computed<fleet::NodeStatus, modules_of>},
    {"last_seen", text("When it reported last, by its own clock"), member<&fleet::NodeStatus::reported_at>},
    {"ready", flag("Whether all its workers serve what is in force there"), member<&fleet::NodeStatus::ready>},
    {"build", text("What runs there"), member<&fleet::NodeStatus::build>},
};
constexpr DocumentType kNode{"Node", "A node that reports", kNodeMembers};
constexpr Member kNodesMembers[] = {{"nodes", document(kNode, "By name").list(), listed<&NodeList::nodes>}};

constexpr Member kNodeVersionMembers[] = {
    {"node", text(), member<&NodeVersion::node>},
    {"version", text("That serves; null: the node has no such module").or_null(),
     [](const void* object) -> Json {
       const auto& label = static_cast<const NodeVersion*>(object)->version.label;
       return label.empty() ? Json() : Json(label);
     }},
    {"sha256", text(),
     [](const void* object) -> Json { return static_cast<const NodeVersion*>(object)->version.sha256; }},
    {"drift", text("Why it is not what is desired; null: it is, or nothing is desired").or_null(),
     text_or_null<&NodeVersion::drift>},
};
constexpr DocumentType kNodeVersion{"NodeVersion", "What one node serves", kNodeVersionMembers};
constexpr Member kModuleVersionsMembers[] = {
    {"module", text(), member<&ModuleVersions::module>},
    {"desired", text("The version that every node is to serve; null: none is desired").or_null(),
     [](const void* object) -> Json {
       const auto& desired = static_cast<const ModuleVersions*>(object)->desired;
       return desired ? Json(desired->version.label) : Json();
     }},
    {"nodes", document(kNodeVersion).list(), listed<&ModuleVersions::nodes>},
};
constexpr DocumentType kModuleVersions{"ModuleVersions", "One module over the fleet", kModuleVersionsMembers};
constexpr Member kVersionsMembers[] = {{"modules", document(kModuleVersions).list(), listed<&VersionList::modules>}};

constexpr Member kRolloutNodeMembers[] = {
    {"node", text(), member<&fleet::RolloutNode::node>},
    {"state", text("waiting, staged, committed, reverted, failed, unreachable"),
     [](const void* object) -> Json { return fleet::word_of(static_cast<const fleet::RolloutNode*>(object)->state); }},
    {"error", text().or_null(), text_or_null<&fleet::RolloutNode::error>},
    {"code", text().or_null(), text_or_null<&fleet::RolloutNode::code>},
    {"downtime_ms", count(), member<&fleet::RolloutNode::downtime_ms>},
};
constexpr DocumentType kRolloutNode{"RolloutNode", "A node in a rollout", kRolloutNodeMembers};
constexpr Member kWaveMembers[] = {
    {"nodes", document(kRolloutNode).list(), listed<&fleet::Wave::nodes>},
    {"begun_at", text().or_null(), text_or_null<&fleet::Wave::begun_at>},
    {"ended_at", text().or_null(), text_or_null<&fleet::Wave::ended_at>},
};
constexpr DocumentType kWave{"Wave", "Nodes that swap together", kWaveMembers};

template <auto Pointer>
Json of_order(const void* object) {
  return static_cast<const fleet::Rollout*>(object)->order.*Pointer;
}
Json label_of(const fleet::Rollout& rollout) { return rollout.order.version.label; }
Json state_of(const fleet::Rollout& rollout) { return fleet::word_of(rollout.state); }
Json ended(const fleet::Rollout& rollout) { return fleet::has_ended(rollout.state); }
Json kind_of(const fleet::Rollout& rollout) {
  return rollout.kind == fleet::RolloutKind::kRollback ? "rollback" : "reload";
}
constexpr Member kRolloutMembers[] = {
    {"id", text(), of_order<&fleet::Order::rollout>},
    {"module", text(), of_order<&fleet::Order::module>},
    {"version", text("That it brings"), computed<fleet::Rollout, label_of>},
    {"previous_version", text("That was desired before; null: none").or_null(),
     text_or_null<&fleet::Rollout::from_version>},
    {"kind", text("reload or rollback"), computed<fleet::Rollout, kind_of>},
    {"state", text("staging, committing, observing, paused, reverting, done, failed, reverted, aborted"),
     computed<fleet::Rollout, state_of>},
    {"ended", flag(), computed<fleet::Rollout, ended>},
    {"wave", count("The one at work, from 0"), member<&fleet::Rollout::wave>},
    {"waves", document(kWave).list(), listed<&fleet::Rollout::waves>},
    {"left_out", document(kRolloutNode, "Could not be reached before the first wave").list(),
     listed<&fleet::Rollout::left_out>},
    {"error", text().or_null(), text_or_null<&fleet::Rollout::error>},
    {"code", text().or_null(), text_or_null<&fleet::Rollout::code>},
    {"by", text("Who wanted it"), of_order<&fleet::Order::by>},
    {"reason", text(), of_order<&fleet::Order::reason>},
    {"begun_at", text().or_null(), text_or_null<&fleet::Rollout::begun_at>},
    {"ended_at", text().or_null(), text_or_null<&fleet::Rollout::ended_at>},
    {"holder", text("The orchestrator that works on it").or_null(), text_or_null<&fleet::Rollout::holder>},
};
constexpr Member kRolloutsMembers[] = {{"rollouts",
                                        document(documents::kRollout, "The one that changed last first").list(),
                                        listed<&RolloutList::rollouts>}};
constexpr Member kFleetHistoryMembers[] = {
    {"reloads", document(documents::kRollout, "Rollouts that have ended, the newest first").list(),
     listed<&History::reloads>}};
constexpr Member kHealthMembers[] = {{"status", text(), member<&Health::status>}};

constexpr Member kFleetErrorMembers[] = {
    {"success", flag("false")},
    {"error", text("What is wrong and what to do, for a person")},
    {"code", text("For programs; stable")},
    {"outcome",
     text("nothing_swapped: every node serves what it served before; reverted: the nodes that had swapped "
          "are back; partly: not all of them are; unknown: NATS or the orchestrator went away, look at the rollout"),
     nullptr, kSometimes},
    {"rollout_id", text(), nullptr, kSometimes},
    {"nodes", document(kNodeFailure, "Where it did not come about, and why").list(), nullptr, kSometimes},
    {"reverted", kNodeNames, nullptr, kSometimes},
    {"advice", text(), nullptr, kSometimes},
    {"field", text("The field or parameter it is about"), nullptr, kSometimes},
    {"known", text("Fields or values that are known").list(), nullptr, kSometimes},
    {"modules", text("Those there are").list(), nullptr, kSometimes},
    {"status", text("not_ready"), nullptr, kSometimes},
    {"reasons", text().list(), nullptr, kSometimes},
    {"size_bytes", count().or_null(), nullptr, kSometimes},
    {"limit_bytes", count(), nullptr, kSometimes},
    {"retry_after_seconds", count(), nullptr, kSometimes},
};

std::string_view word_of(FailedIn in) {
  switch (in) {
    case FailedIn::kReverted:
      return "reverted";
    case FailedIn::kPartly:
      return "partly";
    case FailedIn::kUnknown:
      return "unknown";
    default:
      return "nothing_swapped";
  }
}

}  // namespace

static Json value_of(const NodeFailure& failure) { return write(kNodeFailure, &failure); }
static Json value_of(const fleet::NodeStatus& status) { return write(kNode, &status); }
static Json value_of(const ModuleVersions& versions) { return write(kModuleVersions, &versions); }
static Json value_of(const NodeVersion& version) { return write(kNodeVersion, &version); }
static Json value_of(const fleet::RolloutNode& node) { return write(kRolloutNode, &node); }
static Json value_of(const fleet::Wave& wave) { return write(kWave, &wave); }
static Json value_of(const fleet::Rollout& rollout) { return write(documents::kRollout, &rollout); }

namespace documents {
const DocumentType kFleetReload{"FleetReload", "Every node that could be reached serves the version",
                                kFleetReloadMembers};
const DocumentType kFleetRollback{"FleetRollback", "The fleet is back", kFleetRollbackMembers};
const DocumentType kAccepted{"Accepted", "The rollout goes on; it is looked at under its id", kAcceptedMembers};
const DocumentType kSync{"Sync", "What was done so that every node serves what is desired", kSyncMembers};
const DocumentType kNodes{"Nodes", "The nodes that report", kNodesMembers};
const DocumentType kVersions{"Versions", "What is desired, and what serves where", kVersionsMembers};
const DocumentType kRollout{"Rollout", "A change of the fleet", kRolloutMembers};
const DocumentType kRollouts{"Rollouts", "Changes of the fleet", kRolloutsMembers};
const DocumentType kFleetHistory{"FleetHistory", "What was done to the fleet", kFleetHistoryMembers};
const DocumentType kFleetHealth{"FleetHealth", "How the orchestrator is", kHealthMembers};
const DocumentType kFleetError{"Error", "Why a call was refused, or what went wrong where", kFleetErrorMembers};
}  // namespace documents

Json to_document(const FleetResult& result) { return write(documents::kFleetReload, &result); }
Json to_document(const RolledBack& result) { return write(documents::kFleetRollback, &result); }
Json to_document(const Accepted& accepted) { return write(documents::kAccepted, &accepted); }
Json to_document(const SyncResult& result) { return write(documents::kSync, &result); }
Json to_document(const NodeList& list) { return write(documents::kNodes, &list); }
Json to_document(const VersionList& list) { return write(documents::kVersions, &list); }
Json to_document(const fleet::Rollout& rollout) { return write(documents::kRollout, &rollout); }
Json to_document(const RolloutList& list) { return write(documents::kRollouts, &list); }
Json to_document(const History& history) { return write(documents::kFleetHistory, &history); }
Json to_document(const Health& health) { return write(documents::kFleetHealth, &health); }

HttpResponse failure_response(const FleetFailure& failure, Json extra) {
  extra["outcome"] = word_of(failure.in);
  if (!failure.rollout.empty()) extra["rollout_id"] = failure.rollout;
  if (!failure.nodes.empty()) extra["nodes"] = list_of(failure.nodes);
  if (!failure.reverted.empty()) extra["reverted"] = failure.reverted;
  if (failure.error.code == ErrorCode::kVersionConflict || failure.in == FailedIn::kPartly) {
    extra["advice"] = "POST /api/v1/wasm/sync-versions brings every node to the version that is desired";
  }
  return error_response(failure.error, extra);
}

}  // namespace secbeat::orchestrator
