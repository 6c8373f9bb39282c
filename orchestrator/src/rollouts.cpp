#include "secbeat/orchestrator/rollouts.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <thread>

#include "plan.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kNodesExpire{30};  // docs/fleet_protocol.md
constexpr milliseconds kAnswer{2000};             // of one question
constexpr std::string_view kUnreachable = "unreachable";

std::unexpected<FleetFailure> fail_with(const Error& error) { return std::unexpected(FleetFailure{.error = error}); }

std::string new_rollout() {
  std::array<unsigned char, 8> random{};
  if (RAND_bytes(random.data(), random.size()) != 1) throw std::runtime_error("no random numbers");
  std::string id = "r-";
  for (const unsigned char byte : random) id += fmt::format("{:02x}", byte);
  return id;
}

// Asks all nodes, in turn, until each has done it, has failed, or has been silent for too long.
class Step {
 public:
  Step(fleet::Connection& connection, const Timeouts& timeouts, const fleet::Order& order,
       std::string (*subject)(std::string_view), const std::vector<std::string>& nodes)
      : connection_(connection), timeouts_(timeouts), order_(to_json(order)), subject_(subject), begun_(Steady::now()) {
    for (const std::string& node : nodes) waiting_.push_back({.node = node});
  }

  void run() {
    while (!waiting_.empty()) {
      std::erase_if(waiting_, [this](Waiting& one) { return ask(one); });
      if (!waiting_.empty()) std::this_thread::sleep_for(timeouts_.ask);
    }
  }

  std::vector<fleet::OrderAnswer> done;
  std::vector<NodeFailure> failed;
  std::vector<NodeFailure> unreachable;

 private:
  struct Waiting {
    std::string node;
    bool has_answered = false;
  };

  // Whether that is all there is to hear from it.
  bool ask(Waiting& one) {
    const auto text = connection_.request(subject_(one.node), order_, kAnswer);
    const auto answer = text ? fleet::order_answer_from_json(*text) : std::unexpected(text.error());
    const milliseconds waited = std::chrono::duration_cast<milliseconds>(Steady::now() - begun_);
    if (!answer) {
      if (answer.error().code == ErrorCode::kProtocol) {
        failed.push_back({one.node, answer.error().message, std::string(word_of(ErrorCode::kProtocol))});
        return true;
      }
      // Who has begun and is silent now is awaited for as long as who works.
      if (waited < (one.has_answered ? timeouts_.work : timeouts_.reach)) return false;
      auto& list = one.has_answered ? failed : unreachable;
      list.push_back({one.node, fmt::format("{} does not answer: {}", one.node, answer.error().message),
                      std::string(kUnreachable)});
      return true;
    }
    one.has_answered = true;
    if (answer->progress == fleet::Progress::kDone) {
      done.push_back(*answer);
      return true;
    }
    if (answer->progress == fleet::Progress::kFailed) {
      failed.push_back({one.node, answer->error, answer->code});
      return true;
    }
    if (waited < timeouts_.work) return false;
    failed.push_back({one.node,
                      fmt::format("{} has not come to an end within {} s", one.node, timeouts_.work.count() / 1000),
                      std::string(word_of(ErrorCode::kCompileTimeout))});
    return true;
  }

  fleet::Connection& connection_;
  const Timeouts& timeouts_;
  const std::string order_;
  std::string (*subject_)(std::string_view);
  const Steady::time_point begun_;
  std::vector<Waiting> waiting_;
};

std::vector<NodeFailure> differing(const std::vector<fleet::NodeStatus>& nodes, const FleetReload& wanted) {
  std::vector<NodeFailure> list;
  if (wanted.expected_version.empty()) return list;
  for (const fleet::NodeStatus& node : nodes) {
    const fleet::ModuleStatus* status = node.find(wanted.module);
    const std::string has = status == nullptr ? "none" : status->version.label;
    if (has == wanted.expected_version) continue;
    list.push_back({node.node, fmt::format("Version conflict: expected {}, got {}", wanted.expected_version, has),
                    std::string(word_of(ErrorCode::kVersionConflict))});
  }
  return list;
}

struct Known {
  fleet::Desired desired;
  std::uint64_t revision = 0;  // of its key, for compare-and-set
};

Result<Known> read_desired(fleet::Connection& connection) {
  const auto entry = connection.get(fleet::kDesiredBucket, fleet::kDesiredKey);
  if (!entry) return std::unexpected(entry.error());
  if (!*entry) return Known{};
  auto desired = fleet::desired_from_json((*entry)->value);
  if (!desired) return std::unexpected(desired.error());
  return Known{*std::move(desired), (*entry)->revision};
}

fleet::Order order_for(const FleetReload& wanted, const fleet::Desired& desired,
                       const std::vector<fleet::NodeStatus>& nodes) {
  return {.rollout = new_rollout(),
          .module = wanted.module,
          .version = {.label = next_label(desired, nodes, wanted.module, wanted.embedded_version),
                      .sha256 = sha256_hex(wanted.file),
                      .size_bytes = wanted.file.size(),
                      .config_sha256 = wanted.config.empty() ? std::string() : sha256_hex(wanted.config),
                      .config_size_bytes = wanted.config.size()},
          .revision = next_revision(desired, nodes),
          .expected_version = wanted.expected_version,
          .forced = wanted.forced,
          .reason = wanted.reason,
          .by = wanted.by};
}

Result<void> keep_bytes(fleet::Connection& connection, const FleetReload& wanted, const fleet::VersionRef& version) {
  auto kept = connection.put_object(fleet::kModulesBucket, version.sha256, wanted.file);
  if (!kept || version.config_sha256.empty()) return kept;
  return connection.put_object(fleet::kModulesBucket, version.config_sha256, wanted.config);
}

std::vector<std::string> names_of(const std::vector<fleet::OrderAnswer>& answers) {
  std::vector<std::string> names;
  for (const fleet::OrderAnswer& answer : answers) names.push_back(answer.node);
  std::ranges::sort(names);
  return names;
}

}  // namespace

class Rollouts::Impl {
 public:
  Impl(fleet::Connection& connection, Settings settings) : connection_(connection), timeouts_(settings.timeouts) {}
  fleet::Connection& connection_;
  Timeouts timeouts_;
};
Rollouts::Rollouts(fleet::Connection& connection, Settings settings)
    : impl_(std::make_unique<Impl>(connection, std::move(settings))) {}
Rollouts::~Rollouts() = default;

Result<void> Rollouts::prepare(int replicas) const {
  for (const auto& options :
       {fleet::BucketOptions{.name = fleet::kDesiredBucket, .replicas = replicas},
        fleet::BucketOptions{.name = fleet::kNodesBucket, .expiry = kNodesExpire, .replicas = replicas},
        fleet::BucketOptions{.name = fleet::kRolloutsBucket, .replicas = replicas}}) {
    if (auto made = impl_->connection_.make_bucket(options); !made) return made;
  }
  return impl_->connection_.make_object_bucket({.name = fleet::kModulesBucket, .replicas = replicas});
}

Result<std::vector<fleet::NodeStatus>> Rollouts::nodes() const {
  const auto entries = impl_->connection_.list(fleet::kNodesBucket);
  if (!entries) return std::unexpected(entries.error());
  std::vector<fleet::NodeStatus> nodes;
  for (const fleet::Entry& entry : *entries) {
    auto status = fleet::node_status_from_json(entry.value);
    if (!status || status->node != entry.key) {
      spdlog::warn("fleet: what {} reports cannot be read: {}", entry.key,
                   status ? "it has another name" : status.error().message);
      continue;
    }
    nodes.push_back(*std::move(status));
  }
  std::ranges::sort(nodes, {}, &fleet::NodeStatus::node);
  return nodes;
}

std::expected<FleetResult, FleetFailure> Rollouts::reload(const FleetReload& wanted) {
  const auto nodes = this->nodes();
  if (!nodes) return fail_with(nodes.error());
  if (nodes->empty()) return fail_with({ErrorCode::kNoNodes, "No node is known: is there one with [nats] url?"});
  if (auto others = differing(*nodes, wanted); !others.empty()) {
    return std::unexpected(FleetFailure{.error = {ErrorCode::kVersionConflict, others.front().error}, .nodes = others});
  }
  auto known = read_desired(impl_->connection_);
  if (!known) return fail_with(known.error());
  const fleet::Order order = order_for(wanted, known->desired, *nodes);
  if (auto kept = keep_bytes(impl_->connection_, wanted, order.version); !kept) return fail_with(kept.error());

  std::vector<std::string> names;
  for (const fleet::NodeStatus& node : *nodes) names.push_back(node.node);
  Step stage(impl_->connection_, impl_->timeouts_, order, &fleet::stage_subject, names);
  stage.run();
  if (!stage.failed.empty() || stage.done.empty()) {
    const bool none = stage.failed.empty();
    auto& list = none ? stage.unreachable : stage.failed;
    return std::unexpected(FleetFailure{
        .error = {none ? ErrorCode::kUnreachable : ErrorCode::kStageFailed,
                  fmt::format("Nothing was swapped anywhere: {}: {}", list.front().node, list.front().error)},
        .nodes = list});
  }
  Step commit(impl_->connection_, impl_->timeouts_, order, &fleet::commit_subject, names_of(stage.done));
  commit.run();
  std::ranges::copy(commit.unreachable, std::back_inserter(commit.failed));
  if (!commit.failed.empty()) {
    return std::unexpected(FleetFailure{.error = {ErrorCode::kRolloutReverted, "Not every node has swapped"},
                                        .in = commit.done.empty() ? FailedIn::kNothingSwapped : FailedIn::kPartly,
                                        .nodes = commit.failed});
  }
  // Who has swapped has reached this revision already; who was away follows it.
  const auto put = impl_->connection_.put_if(fleet::kDesiredBucket, fleet::kDesiredKey,
                                             to_json(with(known->desired, order)), known->revision);
  if (!put) return std::unexpected(FleetFailure{.error = put.error(), .in = FailedIn::kPartly});
  if (auto told = impl_->connection_.publish(fleet::kReloadEvent, to_json(order)); told)
    spdlog::info("NATS: {}", fleet::kReloadEvent);
  FleetResult result{.rollout = order.rollout,
                     .version = order.version.label,
                     .revision = order.revision,
                     .deployed_to = names_of(commit.done),
                     .failed = stage.unreachable};
  for (const fleet::OrderAnswer& answer : commit.done) result.total_downtime_ms += answer.downtime_ms;
  return result;
}

namespace {
Error not_yet() { return {ErrorCode::kNotReady, "not there yet"}; }
}  // namespace
void Rollouts::take_over() {}
Result<fleet::Desired> Rollouts::desired() const {
  auto known = read_desired(impl_->connection_);
  if (!known) return std::unexpected(known.error());
  return std::move(known->desired);
}
Result<std::vector<ModuleVersions>> Rollouts::versions() const { return std::unexpected(not_yet()); }
std::expected<std::string, FleetFailure> Rollouts::begin(const FleetReload&) { return fail_with(not_yet()); }
Result<std::optional<fleet::Rollout>> Rollouts::wait(std::string_view, std::chrono::milliseconds) const {
  return std::unexpected(not_yet());
}
std::expected<FleetResult, FleetFailure> Rollouts::rollback(const FleetRollback&) { return fail_with(not_yet()); }
std::expected<SyncResult, FleetFailure> Rollouts::sync(const FleetSync&) { return fail_with(not_yet()); }
Result<std::vector<fleet::Rollout>> Rollouts::list() const { return std::unexpected(not_yet()); }
Result<fleet::Rollout> Rollouts::find(std::string_view) const { return std::unexpected(not_yet()); }
Result<fleet::Rollout> Rollouts::pause(std::string_view) { return std::unexpected(not_yet()); }
Result<fleet::Rollout> Rollouts::resume(std::string_view) { return std::unexpected(not_yet()); }
Result<fleet::Rollout> Rollouts::abort(std::string_view) { return std::unexpected(not_yet()); }
std::expected<FleetResult, FleetFailure> outcome_of(const fleet::Rollout&) { return fail_with(not_yet()); }

}  // namespace secbeat::orchestrator
