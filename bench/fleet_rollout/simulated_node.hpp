// A node of a fleet as NATS and the orchestrator see it: the calls, intervals and documents of agent/src/fleet, and the
// download with its checks. It compiles nothing and serves nothing.
//
// Thread safety: made and destroyed by one thread; the rest is its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::bench {

// Of all nodes of the process.
struct NodeCounts {
  std::atomic<std::uint64_t> fetched{0};  // modules whose size and SHA-256 were as wanted
  std::atomic<std::uint64_t> fetched_bytes{0};
  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> asked{0};   // calls of the orchestrator
  std::atomic<std::uint64_t> faults{0};  // orders that failed, reports that were not written
};

class SimulatedNode {
 public:
  SimulatedNode(std::shared_ptr<fleet::Connection> connection, std::string name, NodeCounts& counts);

  // False: the server does not take its subscriptions.
  bool begin();

 private:
  enum class Step : std::uint8_t { kStage, kCommit, kRevert };
  using Job = std::pair<Step, std::string>;  // with the rollout

  std::string answer(Step step, std::string_view text);
  void work(const std::stop_token& ending);
  Result<void> stage(const fleet::VersionRef& version);
  void commit(const fleet::Order& order);
  void look();
  void talk(const std::stop_token& ending);
  void report();

  const std::string name_;
  const std::shared_ptr<fleet::Connection> connection_;
  NodeCounts& counts_;

  std::mutex mutex_;
  std::condition_variable_any come_;
  std::condition_variable_any woken_;
  std::deque<std::pair<Job, fleet::Order>> orders_;  // guarded by mutex_, as all below
  std::map<Job, fleet::OrderAnswer> answers_;
  fleet::ModuleStatus status_;
  std::string staged_;  // SHA-256
  bool reports_now_ = false;
  bool looks_now_ = false;
  bool in_rollout_ = false;

  std::vector<std::unique_ptr<fleet::Subscription>> subscriptions_;  // these and the threads use what stands above
  std::jthread worker_;
  std::jthread talker_;
};

}  // namespace secbeat::bench
