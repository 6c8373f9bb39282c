// A stand-in for a node of a fleet: speaks the fleet's protocol, and serves nothing. For tests and benchmarks.
//
// Thread safety: members are set by the test's thread; answers are given on the connection's.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::orchestrator {

class FakeNode {
 public:
  // Reports at once. Serves `label` of the module "waf".
  FakeNode(std::shared_ptr<fleet::Connection> connection, std::string name, const std::string& label = "v1");

  void report();
  // Serves this from now on, without being told to; and reports it.
  void serve(const fleet::VersionRef& version);
  [[nodiscard]] fleet::VersionRef serving() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  void set_counts(const fleet::Counts& counts);
  void set_labels(std::map<std::string, std::string> labels);

  std::atomic<int> staged{0};  // orders that were worked on, each once
  std::atomic<int> committed{0};
  std::atomic<int> reverted{0};
  std::atomic<int> calls{0};  // of any kind, also those that are not answered

  std::atomic<int> works_for{1};  // how often it says so of an order before it has done it
  std::atomic<bool> silent{false};
  std::atomic<bool> silent_to_commits{false};
  std::atomic<bool> swaps_in_silence{false};  // with the one before: it does what it does not answer
  std::atomic<bool> silent_to_reverts{false};
  std::atomic<bool> fails_to_stage{false};
  std::atomic<bool> fails_to_commit{false};
  std::atomic<bool> fails_to_revert{false};
  std::atomic<std::uint64_t> downtime_ms{0};

  static constexpr const char* kModule = "waf";

 private:
  enum class Step : std::uint8_t { kStage, kCommit, kRevert };
  std::string answer(Step step, std::string_view text);
  void work(Step step, const fleet::Order& order, fleet::OrderAnswer& answer);
  void report_locked();

  const std::string name_;
  const std::shared_ptr<fleet::Connection> connection_;

  mutable std::mutex mutex_;
  fleet::ModuleStatus status_;                                        // guarded by mutex_
  std::map<std::string, std::string> labels_;                         // the same
  std::map<std::string, fleet::VersionRef> before_;                   // the same; by rollout
  std::map<std::string, std::pair<int, fleet::OrderAnswer>> orders_;  // the same; how often asked, by step and rollout

  std::vector<std::unique_ptr<fleet::Subscription>> subscriptions_;  // last: they use what stands above
};

}  // namespace secbeat::orchestrator
