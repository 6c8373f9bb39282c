#include "fleet_orders.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace secbeat::agent {
namespace {

// A caller that continues an old rollout begins it anew, which a node that serves the version already does not notice.
constexpr std::size_t kKept = 64;

fleet::OrderAnswer answer_of(const fleet::Order& order, fleet::OrderAnswer answer, const Result<FleetChange>& done) {
  if (done) {
    answer.progress = fleet::Progress::kDone;
    answer.downtime_ms = done->downtime_ms;
    answer.unchanged = done->unchanged;
    return answer;
  }
  spdlog::warn("fleet: rollout {} of {} {} fails here: {}", order.rollout, order.module, order.version.label,
               done.error().message);
  answer.progress = fleet::Progress::kFailed;
  answer.error = done.error().message;
  answer.code = word_of(done.error().code);
  return answer;
}

}  // namespace

FleetOrders::FleetOrders(std::string node, FleetChanges& changes, std::function<void()> changed)
    : node_(std::move(node)),
      changes_(changes),
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
    // Others come and go meanwhile; one that is being worked on stays where it is.
    Job& job = *next;
    job.begun = true;
    lock.unlock();
    fleet::OrderAnswer answer = answer_of(job.order, job.answer, work(job.step, job.order));
    if (job.step != OrderStep::kStage) changed_();
    lock.lock();
    job.answer = std::move(answer);
  }
}

Result<FleetChange> FleetOrders::work(OrderStep step, const fleet::Order& order) {
  try {
    switch (step) {
      case OrderStep::kStage:
        return changes_.stage(order);
      case OrderStep::kCommit:
        return changes_.commit(order);
      case OrderStep::kRevert:
        return changes_.revert(order);
    }
    return fail(ErrorCode::kInternal, "no such step");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, error.what());
  }
}

}  // namespace secbeat::agent
