// What is done with a fleet besides a reload: rollback, sync, and the questions about rollouts and versions.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "asking.hpp"
#include "fleet_state.hpp"
#include "plan.hpp"
#include "rollouts_impl.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

// kUnknownModule, kUnknownVersion, kNoPreviousVersion.
Result<fleet::VersionRef> version_to(const fleet::Desired& desired, const FleetRollback& wanted) {
  const fleet::DesiredModule* module = desired.find(wanted.module);
  if (module == nullptr) {
    return fail(ErrorCode::kUnknownModule, fmt::format("The fleet has never been given a {}", wanted.module));
  }
  if (wanted.to_version.empty()) {
    if (!module->before.empty()) return module->before.front();
    return fail(ErrorCode::kNoPreviousVersion,
                fmt::format("The fleet knows no version of {} before {}", wanted.module, module->version.label));
  }
  if (module->version.label == wanted.to_version) return module->version;
  std::string known = module->version.label;
  for (const auto* versions : {&module->before, &module->after}) {
    for (const fleet::VersionRef& version : *versions) {
      if (version.label == wanted.to_version) return version;
      known += ", " + version.label;
    }
  }
  return fail(ErrorCode::kUnknownVersion,
              fmt::format("The fleet does not keep {} of {}; it keeps {}", wanted.to_version, wanted.module, known));
}

// Goes on through a NATS that is away, for as long as a stall of JetStream lasts at most.
class GoesOnThroughStalls {
 public:
  GoesOnThroughStalls(const fleet::Connection& connection, std::function<bool()> ends)
      : connection_(connection), ends_(std::move(ends)) {}
  bool operator()() {
    if (ends_()) return false;
    const auto now = std::chrono::steady_clock::now();
    if (connection_.connected()) seen_ = now;
    return !connection_.has_ended() && now - seen_ < fleet::kStall;
  }

 private:
  const fleet::Connection& connection_;
  std::function<bool()> ends_;
  std::chrono::steady_clock::time_point seen_ = std::chrono::steady_clock::now();
};

bool is_same(const fleet::VersionRef& one, const fleet::VersionRef& other) {
  return one.sha256 == other.sha256 && one.config_sha256 == other.config_sha256;
}

std::string drift_of(const fleet::DesiredModule& desired, const fleet::ModuleStatus* status) {
  if (status == nullptr) return "it has no such module";
  if (!status->drift.empty()) return status->drift;
  if (is_same(desired.version, status->version)) return {};
  return fmt::format("it serves {}, {} is desired", status->version.label, desired.version.label);
}

std::string error_of(const fleet::RolloutNode& node) {
  return node.error.empty() ? fmt::format("{} is {}", node.node, word_of(node.state)) : node.error;
}

NodeFailure failure_of(const fleet::RolloutNode& node) { return {node.node, error_of(node), node.code}; }

// Of a rollout that was taken back because a rollback was wanted.
FleetResult taken_back(const fleet::Rollout& rollout) {
  FleetResult result{
      .rollout = rollout.order.rollout, .version = rollout.from_version, .revision = rollout.order.revision};
  for (const fleet::Wave& wave : rollout.waves) {
    for (const fleet::RolloutNode& node : wave.nodes) {
      if (node.state == fleet::NodeState::kReverted) {
        result.deployed_to.push_back(node.node);
        result.total_downtime_ms += node.downtime_ms;
      } else if (!node.error.empty()) {
        result.failed.push_back(failure_of(node));
      }
    }
  }
  std::ranges::sort(result.deployed_to);
  return result;
}

}  // namespace

std::expected<FleetResult, FleetFailure> outcome_of(const fleet::Rollout& rollout) {
  FleetResult result{
      .rollout = rollout.order.rollout, .version = rollout.order.version.label, .revision = rollout.order.revision};
  FleetFailure failure{.error = {code_of(rollout.code), rollout.error}, .rollout = rollout.order.rollout};
  bool is_partly = false;
  for (const fleet::Wave& wave : rollout.waves) {
    result.waves.emplace_back();
    for (const fleet::RolloutNode& node : wave.nodes) {
      result.waves.back().push_back(node.node);
      result.total_downtime_ms += node.downtime_ms;
      if (node.state == fleet::NodeState::kReverted) failure.reverted.push_back(node.node);
      if (node.state == fleet::NodeState::kCommitted) result.deployed_to.push_back(node.node);
      const bool has_failed = node.state == fleet::NodeState::kFailed || node.state == fleet::NodeState::kUnreachable;
      if (has_failed) result.failed.push_back(failure_of(node));
      if (has_failed || !node.error.empty()) failure.nodes.push_back(failure_of(node));
      is_partly |= !wave.begun_at.empty() && (node.state == fleet::NodeState::kUnreachable ||
                                              (node.state == fleet::NodeState::kCommitted && !node.unchanged));
    }
  }
  for (const fleet::RolloutNode& node : rollout.left_out) {
    result.failed.push_back(failure_of(node));
    failure.nodes.push_back(failure_of(node));
  }
  std::ranges::sort(result.deployed_to);
  if (rollout.state == fleet::RolloutState::kDone) return result;
  failure.in = is_partly                  ? FailedIn::kPartly
               : failure.reverted.empty() ? FailedIn::kNothingSwapped
                                          : FailedIn::kReverted;
  return std::unexpected(std::move(failure));
}

std::expected<FleetResult, FleetFailure> Rollouts::rollback(const FleetRollback& wanted) {
  if (!fleet::is_key(wanted.module)) return fail_with({ErrorCode::kBadRequest, "the module's name cannot be one"});
  // A slip of the finger must not end a rollout.
  if (auto nodes = this->nodes(); !nodes || (nodes = targeted(*std::move(nodes), wanted.target), !nodes)) {
    return fail_with(nodes.error());
  }
  if (!wanted.to_version.empty()) {
    const auto known = read_desired(impl_->connection());
    if (!known) return fail_with(known.error());
    if (const auto version = version_to(known->value, wanted); !version) return fail_with(version.error());
  }
  auto aborted = impl_->end_running(wanted);
  if (!aborted) return std::unexpected(aborted.error());
  if (*aborted) return std::move(**aborted);
  const auto write = [&](const Ground& ground) -> std::expected<fleet::Rollout, FleetFailure> {
    auto nodes = targeted(ground.nodes, wanted.target);
    if (!nodes) return fail_with(nodes.error());
    auto version = version_to(ground.desired, wanted);
    if (!version) return fail_with(version.error());
    fleet::Rollout rollout{.order = {.rollout = {},
                                     .module = wanted.module,
                                     .version = *std::move(version),
                                     .expected_version = {},
                                     .forced = true,
                                     .rollback = true,
                                     .reason = wanted.reason.empty() ? "Manual rollback" : wanted.reason,
                                     .by = wanted.by},
                           .kind = fleet::RolloutKind::kRollback,
                           .options = {.target = wanted.target},
                           .state = fleet::RolloutState::kCommitting};
    rollout.waves = Impl::one_wave(*nodes);
    return rollout;
  };
  const auto id = impl_->begin(wanted.module, write);
  if (id) return impl_->outcome(*id);
  const bool knows_none =
      id.error().error.code == ErrorCode::kNoPreviousVersion || id.error().error.code == ErrorCode::kUnknownVersion;
  if (!knows_none) return std::unexpected(id.error());
  return impl_->take_back_first(wanted, id.error().error);
}

std::expected<std::optional<FleetResult>, FleetFailure> Rollouts::Impl::end_running(const FleetRollback& wanted) {
  const auto running = read_running(connection_, wanted.module);
  if (!running) return fail_with(running.error());
  const auto other = under_way(connection_, running->value);
  if (!other) return fail_with(other.error());
  // Somebody else's rollback is as urgent; the answer names it.
  if (!*other || (*other)->kind == fleet::RolloutKind::kRollback) return std::nullopt;
  const std::string& id = (*other)->order.rollout;
  spdlog::warn("fleet: rollout {} is aborted, a rollback is wanted", id);
  // One that has just ended, or is being taken back already, needs no abort.
  (void)ask(id, fleet::Asked::kAbort);
  const auto& timeouts = settings_.timeouts;
  const auto ended = wait(id, timeouts.lease + 2 * timeouts.work);
  if (!ended) return fail_with(ended.error());
  if (!*ended) return std::unexpected(busy(**other));
  if ((*ended)->state == fleet::RolloutState::kDone || !wanted.to_version.empty()) return std::nullopt;
  return taken_back(**ended);
}

// The first rollout of a module that the nodes had before they were a fleet: what they served lies on them alone.
std::expected<FleetResult, FleetFailure> Rollouts::Impl::take_back_first(const FleetRollback& wanted,
                                                                         const Error& otherwise) {
  const auto running = read_running(connection_, wanted.module);
  if (!running) return fail_with(running.error());
  auto last = read_rollout(connection_, running->value.rollout);
  if (!last) return fail_with(otherwise);
  fleet::Rollout& rollout = last->value;
  const bool is_first = rollout.state == fleet::RolloutState::kDone && rollout.kind == fleet::RolloutKind::kReload &&
                        rollout.options.target == kAll && wanted.target == kAll && !rollout.from_version.empty() &&
                        rollout.from_version != rollout.order.version.label &&
                        (wanted.to_version.empty() || wanted.to_version == rollout.from_version);
  if (!is_first) return fail_with(otherwise);
  const fleet::Running claim{
      .rollout = rollout.order.rollout, .revision = running->value.revision + 1, .given = running->value.given};
  const auto claimed =
      connection_.put_if(fleet::kDesiredBucket, fleet::running_key(wanted.module), to_json(claim), running->revision);
  if (!claimed) return fail_with(claimed.error());
  rollout.state = fleet::RolloutState::kReverting;
  rollout.code = word_of(ErrorCode::kRolloutReverted);
  rollout.error = fmt::format("Rolled back by {}: {}", wanted.by, wanted.reason);
  rollout.holder = holder_;
  ++rollout.beat;
  // Who was out of reach may have followed since, by what is desired.
  if (!rollout.left_out.empty()) {
    rollout.waves.push_back({.nodes = std::exchange(rollout.left_out, {}), .begun_at = rfc3339(RealClock().now())});
  }
  const std::string id = claim.rollout;
  const auto written = connection_.put_if(fleet::kRolloutsBucket, id, to_json(rollout), last->revision);
  if (!written) return fail_with(written.error());
  run({std::move(rollout), *written});
  while (!is_left()) {
    const auto ended = wait(id, settings_.timeouts.work);
    if (!ended) return fail_with(ended.error());
    if (*ended) return taken_back(**ended);
  }
  return std::unexpected(goes_on(id));
}

std::expected<SyncResult, FleetFailure> Rollouts::sync(const FleetSync& wanted) {
  fleet::Connection& connection = impl_->connection();
  const auto desired = read_desired(connection);
  if (!desired) return fail_with(desired.error());
  const auto nodes = read_nodes(connection);
  if (!nodes) return fail_with(nodes.error());
  std::map<std::string, bool> has_changed;  // by node
  std::map<std::string, NodeFailure> failed;
  std::map<std::string, NodeFailure> unreachable;
  for (const auto& node : *nodes) has_changed[node.value.node] = false;
  if (!wanted.module.empty() && desired->value.find(wanted.module) == nullptr) {
    return fail_with({ErrorCode::kUnknownModule, fmt::format("The fleet has never been given a {}", wanted.module)});
  }
  for (const fleet::DesiredModule& module : desired->value.modules) {
    if (!wanted.module.empty() && module.name != wanted.module) continue;
    const auto running = read_running(connection, module.name);
    const auto other = running ? under_way(connection, running->value) : std::unexpected(running.error());
    if (!other) return fail_with(other.error());
    if (*other) return std::unexpected(Impl::busy(**other));
    std::vector<std::string> differ;
    for (const auto& node : *nodes) {
      const fleet::ModuleStatus* status = node.value.find(module.name);
      if (status == nullptr || !is_same(status->version, module.version)) differ.push_back(node.value.node);
    }
    const fleet::Order order{.rollout = new_id("s"),
                             .module = module.name,
                             .version = module.version,
                             .revision = module.revision,
                             .expected_version = {},
                             .reason = wanted.reason.empty() ? "Sync of versions" : wanted.reason,
                             .by = wanted.by};
    const Heard heard = ask_all(connection, impl_->timeouts(), order, &fleet::commit_subject, differ,
                                GoesOnThroughStalls(connection, [this] { return impl_->is_left(); }));
    if (!heard.is_whole) {
      return fail_with({ErrorCode::kNotReady,
                        "NATS went away in the middle of it, or the orchestrator ends: what is synced stays so; ask "
                        "again when it is there"});
    }
    for (const fleet::OrderAnswer& answer : heard.done) {
      has_changed[answer.node] = true;
      spdlog::info("{}: Reloaded {} ({}ms downtime)", answer.node, module.name, answer.downtime_ms);
    }
    for (const NodeFailure& failure : heard.failed) failed.try_emplace(failure.node, failure);
    for (const NodeFailure& failure : heard.unreachable) unreachable.try_emplace(failure.node, failure);
  }
  SyncResult result{.desired = desired->value};
  for (const auto& [name, changed] : has_changed) {
    if (const auto one = failed.find(name); one != failed.end()) {
      result.failed.push_back(one->second);
    } else if (const auto silent = unreachable.find(name); silent != unreachable.end()) {
      result.unreachable.push_back(silent->second);
    } else {
      (changed ? result.synced : result.already_current).push_back(name);
    }
  }
  return result;
}

Result<std::vector<ModuleVersions>> Rollouts::versions() const {
  const auto desired = this->desired();
  if (!desired) return std::unexpected(desired.error());
  const auto nodes = this->nodes();
  if (!nodes) return std::unexpected(nodes.error());
  std::map<std::string, ModuleVersions> modules;
  for (const fleet::DesiredModule& module : desired->modules) modules[module.name].desired = module;
  for (const fleet::NodeStatus& node : *nodes) {
    for (const fleet::ModuleStatus& status : node.modules) modules[status.name];
  }
  std::vector<ModuleVersions> list;
  for (auto& [name, module] : modules) {
    module.module = name;
    for (const fleet::NodeStatus& node : *nodes) {
      const fleet::ModuleStatus* status = node.find(name);
      module.nodes.push_back({.node = node.node,
                              .version = status == nullptr ? fleet::VersionRef() : status->version,
                              .drift = module.desired ? drift_of(*module.desired, status) : std::string()});
    }
    list.push_back(std::move(module));
  }
  return list;
}

Result<std::vector<fleet::Rollout>> Rollouts::list() const {
  auto entries = impl_->connection().list(fleet::kRolloutsBucket);
  if (!entries) return std::unexpected(entries.error());
  const auto running = read_all_running(impl_->connection());
  if (!running) return std::unexpected(running.error());
  std::ranges::sort(*entries, std::greater(), &fleet::Entry::revision);
  std::vector<fleet::Rollout> rollouts;
  for (const fleet::Entry& entry : *entries) {
    auto rollout = fleet::rollout_from_json(entry.value);
    if (!rollout) {
      spdlog::warn("fleet: rollout {} cannot be read: {}", entry.key, rollout.error().message);
      continue;
    }
    // One that nobody was told of: its orchestrator ended before it had begun.
    const auto claim = running->find(rollout->order.module);
    const bool is_claimed = claim != running->end() && claim->second.rollout == entry.key;
    if (has_ended(rollout->state) || is_claimed) rollouts.push_back(*std::move(rollout));
  }
  return rollouts;
}

Result<fleet::Rollout> Rollouts::find(std::string_view id) const {
  auto rollout = read_rollout(impl_->connection(), id);
  if (!rollout) return std::unexpected(rollout.error());
  return std::move(rollout->value);
}

Result<fleet::Rollout> Rollouts::pause(std::string_view id) { return impl_->ask(id, fleet::Asked::kPause); }
Result<fleet::Rollout> Rollouts::resume(std::string_view id) { return impl_->ask(id, fleet::Asked::kNothing); }
Result<fleet::Rollout> Rollouts::abort(std::string_view id) { return impl_->ask(id, fleet::Asked::kAbort); }

}  // namespace secbeat::orchestrator
