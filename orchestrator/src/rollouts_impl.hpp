// The rollouts on which this orchestrator works, each on a thread of its own, and the look for those that others left.
//
// Thread safety: as Rollouts.
#pragma once

#include <atomic>
#include <condition_variable>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "fleet_state.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

// What a rollout is planned on.
struct Ground {
  fleet::Desired desired;
  std::vector<fleet::NodeStatus> nodes;
  fleet::Running running;
};

inline std::unexpected<FleetFailure> fail_with(const Error& error) {
  return std::unexpected(FleetFailure{.error = error});
}

class Rollouts::Impl {
 public:
  using Write = std::function<std::expected<fleet::Rollout, FleetFailure>(const Ground& ground)>;

  Impl(fleet::Connection& connection, Settings settings);
  ~Impl();

  fleet::Connection& connection() const { return connection_; }
  const Timeouts& timeouts() const { return settings_.timeouts; }

  // Writes the rollout and makes it the only one of its module, or says which one is. `write` may be called again.
  std::expected<std::string, FleetFailure> begin(std::string_view module, const Write& write);
  [[nodiscard]] Result<std::optional<fleet::Rollout>> wait(std::string_view id, std::chrono::milliseconds limit);
  // Once it has ended; what cannot be read is tried again for a while.
  [[nodiscard]] std::expected<FleetResult, FleetFailure> outcome(std::string_view id);
  Result<fleet::Rollout> ask(std::string_view id, fleet::Asked what);
  void take_over();
  void let_go();
  [[nodiscard]] bool is_left() const { return is_left_; }
  [[nodiscard]] bool works_on(std::string_view id);
  // Of the module, before a rollback; what came of it where that is all that was wanted.
  std::expected<std::optional<FleetResult>, FleetFailure> end_running(const FleetRollback& wanted);
  std::expected<FleetResult, FleetFailure> take_back_first(const FleetRollback& wanted, const Error& otherwise);

  static std::vector<fleet::Wave> one_wave(const std::vector<fleet::NodeStatus>& nodes);
  static FleetFailure busy(const fleet::Rollout& other);
  // The answer to who cannot be told what comes of a rollout.
  static FleetFailure goes_on(std::string_view id);

 private:
  struct Work {
    std::jthread thread;
    bool is_over = false;                 // guarded by mutex_
    std::optional<fleet::Rollout> ended;  // the same; nothing: it was left to others
  };
  struct Other {
    std::uint64_t revision = 0;
    std::chrono::steady_clock::time_point since;
  };

  void fill(fleet::Rollout& rollout, const Ground& ground, const fleet::Running& running) const;
  static std::vector<fleet::VersionRef> given_with(std::vector<fleet::VersionRef> given, fleet::VersionRef version);
  // Nothing: NATS is away for so long that nobody can say.
  std::optional<bool> is_claimed(std::string_view module, const fleet::Running& claim) const;
  [[nodiscard]] bool works_on_locked(std::string_view id) const;
  void run(Known<fleet::Rollout> rollout);
  void work(const std::stop_token& ending, Known<fleet::Rollout> rollout);
  void look_for_others();
  void look_at(const fleet::Running& running);
  void forget_old();
  std::optional<fleet::Rollout> wait_here(std::string_view id, std::chrono::steady_clock::time_point deadline);

  // constant after construction
  fleet::Connection& connection_;
  const Settings settings_;
  const std::string holder_;

  std::mutex mutex_;
  std::condition_variable over_;
  std::map<std::string, std::unique_ptr<Work>, std::less<>> work_;  // guarded by mutex_
  bool is_ending_ = false;                                          // guarded by mutex_
  std::atomic<bool> is_left_{false};                                // set with mutex_ held

  std::mutex forgetting_;
  std::map<std::string, Other, std::less<>> unclaimed_;  // guarded by forgetting_; when they were seen first

  // owned by looking_
  std::map<std::string, Other, std::less<>> others_;
  std::map<std::string, std::uint64_t, std::less<>> ended_;  // with the revision of its claim

  std::jthread looking_;
};

}  // namespace secbeat::orchestrator
