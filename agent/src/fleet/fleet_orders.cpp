#include "fleet_orders.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace secbeat::agent {
namespace {

// A caller that continues an old rollout begins it anew, which a node that serves the version already does not notice.
constexpr std::size_t kKept = 64;

}  // namespace

FleetOrders::FleetOrders(std::string node, const FleetChanges& changes, Reached& reached, std::function<void()> changed)
    : node_(std::move(node)),
      changes_(changes),
      reached_(reached),
      changed_(std::move(changed)),
      thread_([this](const std::stop_token& ending) { run(ending); }) {}

fleet::OrderAnswer FleetOrders::ask(OrderStep step, const fleet::Order& order) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(jobs_, [&](const Job& job) {
    return job.step == step && job.order.rollout == order.rollout && job.order == order;
  });
  if (found != jobs_.end()) return found->answer;
  if (jobs_.size() >= kKept && jobs_.front().answer.progress != fleet::Progress::kWorking) jobs_.pop_front();
  fleet::OrderAnswer answer{.node = node_, .rollout = order.rollout};
  if (jobs_.size() >= kKept) {
    answer.progress = fleet::Progress::kFailed;
    answer.error = "the node has too many orders already";
    answer.code = word_of(ErrorCode::kBusy);
    return answer;
  }
  jobs_.push_back({.step = step, .order = order, .answer = answer});
  come_.notify_all();
  return answer;
}

void FleetOrders::run(const std::stop_token& ending) {
  std::unique_lock lock(mutex_);
  while (!ending.stop_requested()) {
    const auto next = std::ranges::find(jobs_, false, &Job::begun);
    if (next == jobs_.end()) {
      come_.wait(lock, ending, [this] { return std::ranges::find(jobs_, false, &Job::begun) != jobs_.end(); });
      continue;
    }
    next->begun = true;
    const Job job = *next;
    lock.unlock();
    fleet::OrderAnswer answer = work(job.step, job.order, job.answer);
    lock.lock();
    // Jobs before it may have left meanwhile.
    const auto done = std::ranges::find_if(
        jobs_, [&](const Job& other) { return other.step == job.step && other.order == job.order; });
    if (done != jobs_.end()) done->answer = std::move(answer);
  }
}

fleet::OrderAnswer FleetOrders::work(OrderStep step, const fleet::Order& order, fleet::OrderAnswer answer) {
  const auto failed = [&](const Error& error) {
    spdlog::warn("fleet: rollout {} of {} {} fails here: {}", order.rollout, order.module, order.version.label,
                 error.message);
    answer.progress = fleet::Progress::kFailed;
    answer.error = error.message;
    answer.code = word_of(error.code);
    return answer;
  };
  try {
    auto bytes = changes_.fetch(order.version);
    if (!bytes) return failed(bytes.error());
    const bool commits = step == OrderStep::kCommit;
    const auto result = changes_.apply(order, *std::move(bytes), commits ? Mode::kApply : Mode::kDryRun);
    if (!result) return failed(result.error().error);
    if (commits) {
      if (auto kept = reached_.set(order.module, order.revision); !kept) return failed(kept.error());
      changed_();
    }
    answer.progress = fleet::Progress::kDone;
    answer.downtime_ms = result->downtime_ms;
    answer.unchanged = result->unchanged;
    return answer;
  } catch (const std::exception& error) {
    return failed({ErrorCode::kInternal, error.what()});
  }
}

}  // namespace secbeat::agent
