#include "secbeat/agent/fleet_node.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "fleet_follower.hpp"
#include "fleet_orders.hpp"
#include "fleet_report.hpp"
#include "rule_counts_report.hpp"
#include "secbeat/agent/nats_options.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

// The bucket forgets a node after 30 s (docs/fleet_protocol.md).
constexpr std::chrono::milliseconds kReportEvery{2000};
constexpr unsigned kReportJitterMs = 500;  // on top of it: not all nodes at the same moment
// While a rollout runs, as far as a node can know.
constexpr std::chrono::milliseconds kReportInRollout{900};
constexpr std::chrono::seconds kRolloutLasts{60};  // after an order
// Where a server refuses the node; doubled with each attempt, up to the second.
constexpr std::chrono::seconds kRefusedPause{1};
constexpr std::chrono::seconds kLongestRefused{15};
constexpr unsigned kRefusedJitterMs = 1000;
constexpr std::chrono::milliseconds kTick{200};  // what serves is looked at, which costs next to nothing

class FleetNodeImpl {
 public:
  FleetNodeImpl(const Config& config, Reloader& reloader, const control::Scoreboard& scoreboard, RuleRecords& records,
                const Clock& clock, std::unique_ptr<fleet::Connection> connection)
      : config_(config),
        records_(records),
        clock_(clock),
        connection_(std::move(connection)),
        reached_(config.data_dir / "fleet.json"),
        changes_(config, *connection_, reloader, scoreboard, clock, reached_),
        follower_(*connection_, changes_, clock, [this] { wake(0s); }),
        orders_(config.node_name, changes_, [this] { wake(kRolloutLasts); }),
        report_(config, reloader, scoreboard, clock, reached_, follower_) {}
  ~FleetNodeImpl() {
    subscriptions_.clear();
    thread_ = {};
  }

  Result<void> begin();
  [[nodiscard]] bool has_ended() const { return connection_->has_ended(); }

 private:
  // The node reports now, and often for as long as `often`.
  void wake(std::chrono::seconds often);
  void run(const std::stop_token& ending);
  bool is_due(SteadyTime next);
  void report();
  std::string answer(OrderStep step, std::string_view text);

  // constant after begin()
  const Config& config_;
  RuleRecords& records_;
  const Clock& clock_;
  std::unique_ptr<fleet::Connection> connection_;

  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ = false;       // guarded by mutex_
  SteadyTime often_until_;  // guarded by mutex_

  Reached reached_;
  FleetChanges changes_;
  FleetFollower follower_;  // this and the next wake the node from threads of their own
  FleetOrders orders_;
  FleetReport report_;  // owned by thread_
  std::vector<std::unique_ptr<fleet::Subscription>> subscriptions_;

  std::jthread thread_;
};

Result<void> FleetNodeImpl::begin() {
  const auto listen = [&](std::string_view subject, fleet::Connection::Handler handler) -> Result<void> {
    auto subscription = connection_->subscribe(subject, std::move(handler));
    if (!subscription) return std::unexpected(subscription.error());
    subscriptions_.push_back(*std::move(subscription));
    return {};
  };
  const auto obey = [&](const std::string& subject, OrderStep step) {
    return listen(subject, [this, step](auto text) { return answer(step, text); });
  };
  for (const auto& begun : {obey(fleet::stage_subject(config_.node_name), OrderStep::kStage),
                            obey(fleet::commit_subject(config_.node_name), OrderStep::kCommit),
                            obey(fleet::revert_subject(config_.node_name), OrderStep::kRevert),
                            listen(fleet::kReloadEvent,
                                   [this](auto) {
                                     follower_.wake();
                                     return std::string();
                                   }),
                            listen(fleet::rules_subject(config_.node_name), [this](auto) {
                              return to_json(rule_counts(config_.node_name, records_.tallies()));
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

void FleetNodeImpl::wake(std::chrono::seconds often) {
  const std::scoped_lock lock(mutex_);
  wake_ = true;
  often_until_ = std::max(often_until_, clock_.steady() + often);
  woken_.notify_all();
}

bool FleetNodeImpl::is_due(SteadyTime next) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(wake_, false)) return true;
  }
  return clock_.steady() >= next || report_.is_outdated();
}

void FleetNodeImpl::run(const std::stop_token& ending) {
  std::minstd_rand random{std::random_device{}()};
  SteadyTime next = clock_.steady();
  bool was_connected = false;
  while (!ending.stop_requested()) {
    try {
      const bool connected = connection_->connected();
      if (connected && !was_connected) follower_.wake();
      was_connected = connected;
      if (connected && is_due(next)) {
        report();
        const std::chrono::milliseconds jitter(random() % kReportJitterMs);
        const SteadyTime now = clock_.steady();
        const std::scoped_lock lock(mutex_);
        next = now + (now < often_until_ ? kReportInRollout : kReportEvery + jitter);
      }
    } catch (const std::exception& error) {  // tried again at the next look
      spdlog::error("fleet: {}", error.what());
    }
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, kTick, [this] { return wake_; });
  }
}

// The orchestrator makes the bucket; until there is one, nobody reads it.
void FleetNodeImpl::report() {
  const auto put = connection_->put(fleet::kNodesBucket, config_.node_name, to_json(report_.make()));
  if (!put) spdlog::debug("fleet: the node cannot report: {}", put.error().message);
}

// Begins anew where a server refuses the node, which it may not do for ever.
class FleetNodeKeeper final : public FleetNode {
 public:
  using Make = std::function<Result<std::unique_ptr<FleetNodeImpl>>()>;

  explicit FleetNodeKeeper(Make make) : make_(std::move(make)) {}
  ~FleetNodeKeeper() override { thread_ = {}; }

  Result<void> begin();

 private:
  void run(const std::stop_token& ending);
  void look();
  void tell(const Error& refused);

  const Make make_;
  std::unique_ptr<FleetNodeImpl> node_;  // null: it is refused; owned by thread_, as what follows
  std::chrono::seconds pause_ = kRefusedPause;
  std::string said_;

  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;
};

Result<void> FleetNodeKeeper::begin() {
  auto made = make_();
  if (!made && made.error().code == ErrorCode::kConfig) return std::unexpected(made.error());
  if (made) {
    node_ = *std::move(made);
  } else {
    tell(made.error());
  }
  thread_ = std::jthread([this](const std::stop_token& ending) { run(ending); });
  return {};
}

void FleetNodeKeeper::run(const std::stop_token& ending) {
  std::minstd_rand random{std::random_device{}()};
  while (!ending.stop_requested()) {
    if (!node_ || node_->has_ended()) look();
    const std::chrono::milliseconds jitter(random() % kRefusedJitterMs);
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, (node_ ? kRefusedPause : pause_) + jitter, [] { return false; });
  }
}

void FleetNodeKeeper::look() {
  node_.reset();
  auto made = make_();
  if (made) {
    node_ = *std::move(made);
    pause_ = kRefusedPause;
    said_.clear();
    return;
  }
  pause_ = std::min(kLongestRefused, pause_ * 2);
  tell(made.error());
}

void FleetNodeKeeper::tell(const Error& refused) {
  if (said_ == refused.message) return;
  said_ = refused.message;
  spdlog::warn("fleet: {}; the node serves without, and tries again at least every {} s", said_,
               kLongestRefused.count());
}

Result<std::unique_ptr<FleetNodeImpl>> make_node(const Config& config, Reloader& reloader,
                                                 const control::Scoreboard& scoreboard, RuleRecords& records,
                                                 const Clock& clock) {
  auto connection = fleet::Connection::start(nats_options(config, "secbeat node " + config.node_name));
  if (!connection) return std::unexpected(connection.error());
  auto node = std::make_unique<FleetNodeImpl>(config, reloader, scoreboard, records, clock, *std::move(connection));
  if (auto begun = node->begin(); !begun) return std::unexpected(begun.error());
  return node;
}

}  // namespace

Result<std::unique_ptr<FleetNode>> FleetNode::start(const Config& config, Reloader& reloader,
                                                    const control::Scoreboard& scoreboard, RuleRecords& records,
                                                    const Clock& clock) {
  if (!fleet::is_key(config.node_name)) {
    return fail(
        ErrorCode::kConfig,
        fmt::format("node.name: {} cannot be a node of a fleet: letters, digits, '_', '-' and single dots between "
                    "them",
                    config.node_name));
  }
  auto node =
      std::make_unique<FleetNodeKeeper>([&] { return make_node(config, reloader, scoreboard, records, clock); });
  if (auto begun = node->begin(); !begun) return std::unexpected(begun.error());
  return node;
}

}  // namespace secbeat::agent
