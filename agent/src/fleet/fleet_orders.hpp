// The orders that the node has got: each is worked on once, however often it is asked for, on a thread of its own.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "fleet_changes.hpp"

namespace secbeat::agent {

enum class OrderStep : std::uint8_t { kStage, kCommit, kRevert };

class FleetOrders {
 public:
  // `changed` is called after a commit or a revert. All outlive it.
  FleetOrders(std::string node, FleetChanges& changes, std::function<void()> changed);
  ~FleetOrders() = default;
  FleetOrders(const FleetOrders&) = delete;
  FleetOrders& operator=(const FleetOrders&) = delete;

  // How far it is; the first time, it begins. Answers at once.
  fleet::OrderAnswer ask(OrderStep step, const fleet::Order& order);

 private:
  struct Job {
    OrderStep step = OrderStep::kStage;
    fleet::Order order;
    fleet::OrderAnswer answer;
    bool begun = false;
  };

  void run(const std::stop_token& ending);
  Result<FleetChange> work(OrderStep step, const fleet::Order& order);

  const std::string node_;
  FleetChanges& changes_;
  const std::function<void()> changed_;

  std::mutex mutex_;
  std::condition_variable_any come_;
  std::deque<Job> jobs_;  // guarded by mutex_; newest last, bounded

  std::jthread thread_;  // last: it uses what stands above
};

}  // namespace secbeat::agent
