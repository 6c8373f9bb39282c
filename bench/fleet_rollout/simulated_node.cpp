#include "simulated_node.hpp"

#include <algorithm>
#include <chrono>
#include <random>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::bench {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

// As agent/src/fleet has them.
constexpr milliseconds kReportEvery{2000};
constexpr milliseconds kReportInRollout{900};
constexpr milliseconds kLookEvery{2000};
constexpr unsigned kJitterMs = 500;
constexpr std::size_t kLimit = std::size_t{64} << 20U;
constexpr std::size_t kSha256Digits = 64;

}  // namespace

SimulatedNode::SimulatedNode(std::shared_ptr<fleet::Connection> connection, std::string name, NodeCounts& counts)
    : name_(std::move(name)), connection_(std::move(connection)), counts_(counts) {
  status_ = {.name = "waf",
             .version = {.label = "v1",
                         .sha256 = std::string(kSha256Digits, '0'),
                         .size_bytes = 1,
                         .config_sha256 = std::string(kSha256Digits, '1'),
                         .config_size_bytes = 1},
             .highest_label = 1,
             .counts = fleet::Counts{.inspected = 1'000'000, .blocked = 10'000, .p99_ns = 20'000}};
}

bool SimulatedNode::begin() {
  const auto listen = [this](std::string_view subject, fleet::Connection::Handler handler) {
    auto subscription = connection_->subscribe(subject, std::move(handler));
    if (!subscription) return false;
    subscriptions_.push_back(*std::move(subscription));
    return true;
  };
  const auto obey = [&](const std::string& subject, Step step) {
    return listen(subject, [this, step](std::string_view text) { return answer(step, text); });
  };
  const bool listens = obey(fleet::stage_subject(name_), Step::kStage) &&
                       obey(fleet::commit_subject(name_), Step::kCommit) &&
                       obey(fleet::revert_subject(name_), Step::kRevert) &&
                       listen(fleet::kReloadEvent, [this](std::string_view /*order*/) {
                         const std::scoped_lock lock(mutex_);
                         looks_now_ = true;
                         woken_.notify_all();
                         return std::string();
                       });
  if (!listens) return false;
  worker_ = std::jthread([this](const std::stop_token& ending) { work(ending); });
  talker_ = std::jthread([this](const std::stop_token& ending) { talk(ending); });
  return true;
}

std::string SimulatedNode::answer(Step step, std::string_view text) {
  ++counts_.asked;
  auto order = fleet::order_from_json(text);
  if (!order) return {};
  const Job job{step, order->rollout};
  const std::scoped_lock lock(mutex_);
  const auto [found, is_new] = answers_.try_emplace(job, fleet::OrderAnswer{.node = name_, .rollout = order->rollout});
  if (is_new) {
    orders_.emplace_back(job, *std::move(order));
    come_.notify_all();
  }
  return to_json(found->second);
}

void SimulatedNode::work(const std::stop_token& ending) {
  std::unique_lock lock(mutex_);
  while (come_.wait(lock, ending, [this] { return !orders_.empty(); })) {
    const auto [job, order] = orders_.front();
    orders_.pop_front();
    lock.unlock();
    const auto done = stage(order.version);  // a commit without a stage before it fetches, too
    if (done && job.first == Step::kCommit) commit(order);
    lock.lock();
    fleet::OrderAnswer& answer = answers_[job];
    answer.progress = done && job.first != Step::kRevert ? fleet::Progress::kDone : fleet::Progress::kFailed;
    if (answer.progress == fleet::Progress::kDone) continue;
    ++counts_.faults;
    answer.error = done ? "a simulated node goes nowhere back" : done.error().message;
    answer.code = "internal";
  }
}

Result<void> SimulatedNode::stage(const fleet::VersionRef& version) {
  {
    const std::scoped_lock lock(mutex_);
    if (staged_ == version.sha256) return {};
  }
  for (const auto& [sha256, size] :
       {std::pair(version.sha256, version.size_bytes), std::pair(version.config_sha256, version.config_size_bytes)}) {
    if (sha256.empty()) continue;
    const auto bytes = connection_->get_object(fleet::kModulesBucket, sha256, kLimit);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() != size || sha256_hex(*bytes) != sha256) return fail(ErrorCode::kProtocol, "other bytes");
    ++counts_.fetched;
    counts_.fetched_bytes += size;
  }
  const std::scoped_lock lock(mutex_);
  staged_ = version.sha256;
  return {};
}

void SimulatedNode::commit(const fleet::Order& order) {
  ++counts_.committed;
  const std::scoped_lock lock(mutex_);
  status_.version = order.version;
  status_.reached = std::max(status_.reached, order.revision);
  status_.counts = fleet::Counts{};
  in_rollout_ = reports_now_ = true;
  woken_.notify_all();
}

// What a node that has swapped already finds is nothing to do.
void SimulatedNode::look() {
  const auto entry = connection_->get(fleet::kDesiredBucket, fleet::kDesiredKey);
  if (!entry || !*entry) return;
  (void)fleet::desired_from_json((*entry)->value);
}

void SimulatedNode::report() {
  fleet::NodeStatus status{.node = name_,
                           .labels = {{"region", "eu"}},
                           .build = "secbeat 0.0.0, commit 0123456789",
                           .reported_at = rfc3339(RealClock().now()),
                           .ready = true};
  {
    const std::scoped_lock lock(mutex_);
    status.modules = {status_};
  }
  if (!connection_->put(fleet::kNodesBucket, name_, to_json(status))) ++counts_.faults;
}

void SimulatedNode::talk(const std::stop_token& ending) {
  std::minstd_rand random{std::random_device{}()};
  const auto jitter = [&] { return milliseconds(random() % kJitterMs); };
  Steady::time_point next_report;
  Steady::time_point next_look;
  std::unique_lock lock(mutex_);
  while (!ending.stop_requested()) {
    const bool reports = std::exchange(reports_now_, false) || Steady::now() >= next_report;
    const bool looks = std::exchange(looks_now_, false) || Steady::now() >= next_look;
    lock.unlock();
    if (reports) report();
    if (looks) look();
    lock.lock();
    if (reports) next_report = Steady::now() + (in_rollout_ ? kReportInRollout : kReportEvery + jitter());
    if (looks) next_look = Steady::now() + kLookEvery + jitter();
    woken_.wait_until(lock, ending, std::min(next_report, next_look), [this] { return reports_now_ || looks_now_; });
  }
}

}  // namespace secbeat::bench
