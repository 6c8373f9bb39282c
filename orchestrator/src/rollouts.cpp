#include "secbeat/orchestrator/rollouts.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "fleet_state.hpp"
#include "plan.hpp"
#include "rollouts_impl.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::chrono::seconds kNodesExpire{30};  // docs/fleet_protocol.md
constexpr int kAttempts = 5;                      // against others who begin at the same moment

std::expected<void, FleetFailure> expects(const std::vector<fleet::NodeStatus>& nodes, const FleetReload& wanted) {
  std::vector<NodeFailure> differ;
  for (const fleet::NodeStatus& node : nodes) {
    const fleet::ModuleStatus* status = node.find(wanted.module);
    const std::string has = status == nullptr ? "none" : status->version.label;
    if (wanted.expected_version.empty() || has == wanted.expected_version) continue;
    differ.push_back({node.node, fmt::format("Version conflict: expected {}, got {}", wanted.expected_version, has),
                      std::string(word_of(ErrorCode::kVersionConflict))});
  }
  if (differ.empty()) return {};
  return std::unexpected(
      FleetFailure{.error = {ErrorCode::kVersionConflict, differ.front().error}, .nodes = std::move(differ)});
}

Result<void> is_based(const fleet::Desired& desired, const FleetReload& wanted) {
  const fleet::DesiredModule* module = desired.find(wanted.module);
  const std::uint64_t now = module == nullptr ? 0 : module->revision;
  if (!wanted.based_on || *wanted.based_on == now) return {};
  return fail(ErrorCode::kVersionConflict, fmt::format("Somebody else changed {} meanwhile", wanted.module));
}

Result<void> keep_bytes(fleet::Connection& connection, const FleetReload& wanted, const fleet::VersionRef& version) {
  auto kept = connection.put_object(fleet::kModulesBucket, version.sha256, wanted.file);
  if (!kept || version.config_sha256.empty()) return kept;
  return connection.put_object(fleet::kModulesBucket, version.config_sha256, wanted.config);
}

std::vector<fleet::NodeStatus> values_of(std::vector<Known<fleet::NodeStatus>> known) {
  std::vector<fleet::NodeStatus> values;
  for (auto& one : known) values.push_back(std::move(one.value));
  return values;
}

// What most nodes serve.
std::string served(const std::vector<fleet::NodeStatus>& nodes, std::string_view module) {
  std::map<std::string, std::size_t> labels;
  for (const fleet::NodeStatus& node : nodes) {
    if (const fleet::ModuleStatus* status = node.find(module)) ++labels[status->version.label];
  }
  const auto most = std::ranges::max_element(labels, {}, [](const auto& one) { return one.second; });
  return most == labels.end() ? std::string() : most->first;
}

}  // namespace

Rollouts::Rollouts(fleet::Connection& connection, Settings settings)
    : impl_(std::make_unique<Impl>(connection, std::move(settings))) {}
Rollouts::~Rollouts() = default;

Result<void> Rollouts::prepare(int replicas) const {
  for (const auto& options :
       {fleet::BucketOptions{.name = fleet::kDesiredBucket, .replicas = replicas},
        fleet::BucketOptions{.name = fleet::kNodesBucket, .expiry = kNodesExpire, .replicas = replicas},
        fleet::BucketOptions{.name = fleet::kRolloutsBucket, .replicas = replicas}}) {
    if (auto made = impl_->connection().make_bucket(options); !made) return made;
  }
  return impl_->connection().make_object_bucket({.name = fleet::kModulesBucket, .replicas = replicas});
}

void Rollouts::take_over() { impl_->take_over(); }
void Rollouts::let_go() { impl_->let_go(); }
bool Rollouts::works_on(std::string_view id) const { return impl_->works_on(id); }

Result<std::vector<fleet::NodeStatus>> Rollouts::nodes() const {
  auto known = read_nodes(impl_->connection());
  if (!known) return std::unexpected(known.error());
  return values_of(*std::move(known));
}

Result<fleet::Desired> Rollouts::desired() const {
  auto known = read_desired(impl_->connection());
  if (!known) return std::unexpected(known.error());
  return std::move(known->value);
}

namespace {

// What is desired already keeps its label.
fleet::VersionRef version_of(const FleetReload& wanted, const Ground& ground) {
  fleet::VersionRef version{.label = {},
                            .sha256 = sha256_hex(wanted.file),
                            .size_bytes = wanted.file.size(),
                            .config_sha256 = wanted.config.empty() ? std::string() : sha256_hex(wanted.config),
                            .config_size_bytes = wanted.config.size()};
  const fleet::DesiredModule* now = ground.desired.find(wanted.module);
  const bool same =
      now != nullptr && now->version.sha256 == version.sha256 && now->version.config_sha256 == version.config_sha256;
  version.label =
      same ? now->version.label
           : next_label(ground.desired, ground.nodes, wanted.module, wanted.embedded_version, ground.running.given);
  version.signature = wanted.signature;
  const bool same_file = now != nullptr && now->version.sha256 == version.sha256;
  if (version.signature.empty() && same_file) version.signature = now->version.signature;
  return version;
}

}  // namespace

std::expected<FleetResult, FleetFailure> Rollouts::reload(const FleetReload& wanted) {
  const auto id = begin(wanted);
  if (!id) return std::unexpected(id.error());
  return impl_->outcome(*id);
}

std::expected<std::string, FleetFailure> Rollouts::begin(const FleetReload& wanted) {
  if (!fleet::is_key(wanted.module)) return fail_with({ErrorCode::kBadRequest, "the module's name cannot be one"});
  const auto write = [&](const Ground& ground) -> std::expected<fleet::Rollout, FleetFailure> {
    auto nodes = targeted(ground.nodes, wanted.options.target);
    if (!nodes) return fail_with(nodes.error());
    if (auto same = expects(*nodes, wanted); !same) return std::unexpected(same.error());
    if (auto same = is_based(ground.desired, wanted); !same) return fail_with(same.error());
    if (auto waves = waves_of(wanted.options, nodes->size()); !waves) return fail_with(waves.error());
    fleet::Rollout rollout{.order = {.rollout = {},
                                     .module = wanted.module,
                                     .version = version_of(wanted, ground),
                                     .expected_version = wanted.expected_version,
                                     .forced = wanted.forced,
                                     .reason = wanted.reason,
                                     .by = wanted.by,
                                     .edits_rules = wanted.edits_rules},
                           .options = wanted.options};
    rollout.waves = impl_->one_wave(*nodes);
    if (auto kept = keep_bytes(impl_->connection(), wanted, rollout.order.version); !kept) {
      return fail_with(kept.error());
    }
    return rollout;
  };
  return impl_->begin(wanted.module, write);
}

Result<std::optional<fleet::Rollout>> Rollouts::wait(std::string_view id, std::chrono::milliseconds limit) const {
  return impl_->wait(id, limit);
}

std::expected<std::string, FleetFailure> Rollouts::Impl::begin(std::string_view module, const Write& write) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto running = read_running(connection_, module);
    if (!running) return fail_with(running.error());
    auto other = under_way(connection_, running->value);
    if (!other) return fail_with(other.error());
    if (*other) return std::unexpected(busy(**other));
    auto nodes = read_nodes(connection_);
    if (!nodes) return fail_with(nodes.error());
    auto desired = read_desired(connection_);
    if (!desired) return fail_with(desired.error());
    const Ground ground{std::move(desired->value), values_of(*std::move(nodes)), running->value};
    auto rollout = write(ground);
    if (!rollout) return std::unexpected(rollout.error());
    if (rollout->waves.front().nodes.size() > fleet::kMaxListed) {
      return fail_with({ErrorCode::kTooLarge, fmt::format("{} nodes are more than a rollout can hold, which is {}; "
                                                          "target some of them by a label",
                                                          rollout->waves.front().nodes.size(), fleet::kMaxListed)});
    }
    fill(*rollout, ground, running->value);
    const auto written = connection_.put_if(fleet::kRolloutsBucket, rollout->order.rollout, to_json(*rollout), 0);
    if (!written) return fail_with(written.error());
    fault_point("rollout.written");
    const fleet::Running claim{.rollout = rollout->order.rollout,
                               .revision = std::max(running->value.revision, rollout->order.revision),
                               .given = given_with(running->value.given, rollout->order.version)};
    const auto claimed =
        connection_.put_if(fleet::kDesiredBucket, fleet::running_key(module), to_json(claim), running->revision);
    const auto is_ours = claimed ? std::optional(true) : is_claimed(module, claim);
    if (!is_ours) return std::unexpected(goes_on(claim.rollout));
    if (*is_ours) {
      fault_point("rollout.claimed");
      run({*std::move(rollout), *written});
      return claim.rollout;
    }
    // Nobody has been told of it.
    (void)connection_.remove(fleet::kRolloutsBucket, claim.rollout);
    if (claimed.error().code != ErrorCode::kPreconditionFailed) return fail_with(claimed.error());
  }
  return fail_with({ErrorCode::kReloadInProgress, "Others begin rollouts of this module all the time; try again"});
}

std::vector<fleet::VersionRef> Rollouts::Impl::given_with(std::vector<fleet::VersionRef> given,
                                                          fleet::VersionRef version) {
  version.signature.clear();  // it is long, and labels are what this is for
  if (std::ranges::find(given, version) != given.end()) return given;
  given.insert(given.begin(), std::move(version));
  if (given.size() > fleet::kMostGiven) given.resize(fleet::kMostGiven);
  return given;
}

// What all rollouts are given alike.
void Rollouts::Impl::fill(fleet::Rollout& rollout, const Ground& ground, const fleet::Running& running) const {
  const fleet::DesiredModule* module = ground.desired.find(rollout.order.module);
  rollout.order.rollout = new_id("r");
  if (rollout.options.target.empty()) rollout.options.target = kAll;
  const std::uint64_t newer = std::max(next_revision(ground.desired, ground.nodes), running.revision + 1);
  // To some of the nodes: a change that the next desired revision ends.
  const std::uint64_t same = module == nullptr ? 0 : module->revision;
  rollout.order.revision = rollout.options.target == kAll ? newer : same;
  rollout.from_version = module == nullptr ? served(ground.nodes, rollout.order.module) : module->version.label;
  rollout.begun_at = rfc3339(RealClock().now());
  rollout.holder = holder_;
  rollout.beat = 1;
}

}  // namespace secbeat::orchestrator
