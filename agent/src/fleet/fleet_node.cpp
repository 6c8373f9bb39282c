#include "secbeat/agent/fleet_node.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <random>

#include "fleet_changes.hpp"
#include "fleet_orders.hpp"
#include "reached.hpp"
#include "secbeat/base/build_id.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

// The bucket forgets a node after 30 s (docs/fleet_protocol.md).
constexpr auto kEvery = 2s;
// After an attempt to follow that failed; doubled with each, up to the second.
constexpr std::chrono::seconds kFirstPause{4};
constexpr std::chrono::seconds kLongestPause{300};

std::uint64_t number_of(std::string_view label) {
  std::uint64_t number = 0;
  if (!label.starts_with('v')) return 0;
  const auto [end, error] = std::from_chars(label.data() + 1, label.data() + label.size(), number);
  return error == std::errc{} && end == label.data() + label.size() ? number : 0;
}

// A module's desired revision that could not be followed.
struct Failed {
  std::uint64_t revision = 0;
  std::chrono::seconds pause{0};
  SteadyTime again;
  std::string why;
};

class FleetNodeImpl final : public FleetNode {
 public:
  FleetNodeImpl(const Config& config, Reloader& reloader, const Clock& clock,
                std::unique_ptr<fleet::Connection> connection)
      : config_(config),
        reloader_(reloader),
        clock_(clock),
        connection_(std::move(connection)),
        changes_(config, *connection_, reloader),
        reached_(config.data_dir / "fleet.json"),
        orders_(config.node_name, changes_, reached_, [this] { wake(); }) {}
  ~FleetNodeImpl() override {
    subscriptions_.clear();
    thread_ = {};
  }

  Result<void> begin();

 private:
  void wake();
  void run(const std::stop_token& ending);
  void report();
  void follow();
  void follow(const fleet::DesiredModule& wanted);
  [[nodiscard]] fleet::ModuleStatus status_of(const VersionView& view) const;
  [[nodiscard]] std::string drift_of(const fleet::ModuleStatus& status) const;
  std::string answer(OrderStep step, std::string_view text);

  // constant after begin()
  const Config& config_;
  Reloader& reloader_;
  const Clock& clock_;
  std::unique_ptr<fleet::Connection> connection_;
  FleetChanges changes_;
  Reached reached_;

  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ = false;  // guarded by mutex_

  FleetOrders orders_;  // wakes the node from its own thread
  std::vector<std::unique_ptr<fleet::Subscription>> subscriptions_;

  // owned by thread_
  fleet::Desired desired_;  // as it was read last
  std::map<std::string, Failed, std::less<>> failed_;
  std::string said_;  // why the state of the fleet could not be read or written

  std::jthread thread_;
};

Result<void> FleetNodeImpl::begin() {
  const auto listen = [&](std::string_view subject, fleet::Connection::Handler handler) -> Result<void> {
    auto subscription = connection_->subscribe(subject, std::move(handler));
    if (!subscription) return std::unexpected(subscription.error());
    subscriptions_.push_back(*std::move(subscription));
    return {};
  };
  for (const auto& begun :
       {listen(fleet::stage_subject(config_.node_name), [this](auto text) { return answer(OrderStep::kStage, text); }),
        listen(fleet::commit_subject(config_.node_name),
               [this](auto text) { return answer(OrderStep::kCommit, text); }),
        listen(fleet::kReloadEvent, [this](auto) {
          wake();
          return std::string();
        })}) {
    if (!begun) return begun;
  }
  thread_ = std::jthread([this](const std::stop_token& ending) { run(ending); });
  return {};
}

std::string FleetNodeImpl::answer(OrderStep step, std::string_view text) {
  const auto order = fleet::order_from_json(text);
  if (order) return to_json(orders_.ask(step, *order));
  spdlog::warn("fleet: an order cannot be read: {}", order.error().message);
  return to_json(fleet::OrderAnswer{.node = config_.node_name,
                                    .rollout = "unknown",
                                    .progress = fleet::Progress::kFailed,
                                    .error = order.error().message,
                                    .code = std::string(word_of(order.error().code))});
}

void FleetNodeImpl::wake() {
  const std::scoped_lock lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

void FleetNodeImpl::run(const std::stop_token& ending) {
  std::minstd_rand random{std::random_device{}()};
  while (!ending.stop_requested()) {
    try {
      if (connection_->connected()) {
        follow();
        report();
      }
    } catch (const std::exception& error) {  // tried again at the next look
      spdlog::error("fleet: {}", error.what());
    }
    // Not all nodes at the same moment.
    const auto pause = kEvery + std::chrono::milliseconds(random() % 500);
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, pause, [this] { return wake_; });
    wake_ = false;
  }
}

void FleetNodeImpl::follow() {
  auto entry = connection_->get(fleet::kDesiredBucket, fleet::kDesiredKey);
  auto desired = !entry   ? Result<fleet::Desired>(std::unexpected(entry.error()))
                 : *entry ? fleet::desired_from_json((*entry)->value)
                          : Result<fleet::Desired>(fleet::Desired{});
  if (!desired) {
    if (said_ != desired.error().message) {
      said_ = desired.error().message;
      spdlog::warn("fleet: the desired state cannot be read, the node goes on with what it serves: {}", said_);
    }
    return;
  }
  said_.clear();
  desired_ = *std::move(desired);
  for (const fleet::DesiredModule& module : desired_.modules) follow(module);
}

void FleetNodeImpl::follow(const fleet::DesiredModule& wanted) {
  if (wanted.revision <= reached_.of(wanted.name)) return;
  Failed& failed = failed_[wanted.name];
  if (failed.revision == wanted.revision && clock_.steady() < failed.again) return;
  const fleet::Order order{.rollout = fmt::format("desired-{}", wanted.revision),
                           .module = wanted.name,
                           .version = wanted.version,
                           .revision = wanted.revision,
                           .expected_version = {},
                           .reason = fmt::format("Desired revision {} of the fleet", wanted.revision),
                           .by = "fleet"};
  auto bytes = changes_.fetch(wanted.version);
  std::optional<Error> error;
  if (!bytes) {
    error = bytes.error();
  } else if (const auto result = changes_.apply(order, *std::move(bytes), Mode::kApply); !result) {
    error = result.error().error;
  } else if (auto kept = reached_.set(wanted.name, wanted.revision); !kept) {
    error = kept.error();
  }
  if (!error) {
    failed_.erase(wanted.name);
    return spdlog::info("fleet: {} follows desired revision {}: {}", wanted.name, wanted.revision,
                        wanted.version.label);
  }
  const bool is_new = failed.revision != wanted.revision;
  failed.pause = is_new ? kFirstPause : std::min(kLongestPause, failed.pause * 2);
  failed.revision = wanted.revision;
  failed.again = clock_.steady() + failed.pause;
  failed.why = error->message;
  spdlog::warn("fleet: {} cannot follow desired revision {}, tried again in {} s: {}", wanted.name, wanted.revision,
               failed.pause.count(), error->message);
}

std::string FleetNodeImpl::drift_of(const fleet::ModuleStatus& status) const {
  const fleet::DesiredModule* wanted = desired_.find(status.name);
  if (wanted == nullptr || wanted->revision < status.reached) return {};
  const bool same =
      wanted->version.sha256 == status.version.sha256 && wanted->version.config_sha256 == status.version.config_sha256;
  if (same) return {};
  const auto failed = failed_.find(status.name);
  if (wanted->revision > status.reached) return failed == failed_.end() ? "catching up" : failed->second.why;
  return "changed on the node itself";
}

fleet::ModuleStatus FleetNodeImpl::status_of(const VersionView& view) const {
  fleet::ModuleStatus status{.name = view.name,
                             .version = {.label = view.version,
                                         .sha256 = view.sha256,
                                         .size_bytes = view.size_bytes,
                                         .config_sha256 = view.config_sha256},
                             .reached = reached_.of(view.name),
                             .highest_label = number_of(view.version)};
  if (const auto config = reloader_.config_bytes(view.config_sha256)) status.version.config_size_bytes = config->size();
  if (const auto known = reloader_.versions(view.name, Page{.limit = 1000, .before = {}})) {
    for (const KnownVersion& version : known->versions) {
      status.highest_label = std::max(status.highest_label, number_of(version.version));
    }
  }
  status.drift = drift_of(status);
  return status;
}

void FleetNodeImpl::report() {
  fleet::NodeStatus status{.node = config_.node_name,
                           .labels = config_.labels,
                           .build = std::string(build_id()),
                           .reported_at = rfc3339(clock_.now()),
                           .ready = reloader_.ready()};
  for (const VersionView& view : reloader_.modules()) status.modules.push_back(status_of(view));
  // The orchestrator makes the bucket; until there is one, nobody reads it.
  if (auto put = connection_->put(fleet::kNodesBucket, config_.node_name, to_json(status)); !put) {
    spdlog::debug("fleet: the node cannot report: {}", put.error().message);
  }
}

}  // namespace

Result<std::unique_ptr<FleetNode>> FleetNode::start(const Config& config, Reloader& reloader, const Clock& clock) {
  if (!fleet::is_key(config.node_name)) {
    return fail(
        ErrorCode::kConfig,
        fmt::format("node.name: {} cannot be a node of a fleet: letters, digits, '_', '-' and single dots between "
                    "them",
                    config.node_name));
  }
  auto connection = fleet::Connection::start({.url = config.nats_url,
                                              .name = "secbeat node " + config.node_name,
                                              .credentials = config.nats_credentials,
                                              .nkey = config.nats_nkey,
                                              .nkey_seed = config.nats_nkey_seed,
                                              .tls_ca = config.nats_tls_ca,
                                              .tls_certificate = config.nats_tls_certificate,
                                              .tls_key = config.nats_tls_key});
  if (!connection) return std::unexpected(connection.error());
  auto node = std::make_unique<FleetNodeImpl>(config, reloader, clock, *std::move(connection));
  if (auto begun = node->begin(); !begun) return std::unexpected(begun.error());
  return node;
}

}  // namespace secbeat::agent
