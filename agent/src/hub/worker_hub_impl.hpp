// The hub behind WorkerHub.
//
// Everything that a worker is told follows from three facts: the target, the transaction under way if there is
// one, and what the worker last said of itself. After each event the hub's thread brings every peer one step
// further (Peer::bring_to); stage() and commit() only change the facts and wait until the live workers agree.
//
// Thread safety: see each group of members.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "secbeat/agent/worker_hub.hpp"
#include "worker_hub_peer.hpp"

namespace secbeat::agent {

inline SteadyTime now() { return std::chrono::steady_clock::now(); }

// A worker that lives, by the scoreboard or by its connection.
struct LiveWorker {
  std::int32_t pid = 0;
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  std::uint64_t serving_since_unix_ms = 0;
  const Peer* peer = nullptr;  // valid under the hub's mutex; null: not connected
};

// How far the live workers are.
struct Tally {
  std::size_t workers = 0;
  std::vector<WorkerFailure> failures;
  std::vector<LiveWorker> pending;
};

class WorkerHubImpl final : public WorkerHub {
 public:
  WorkerHubImpl(const control::StatePaths& paths, control::Scoreboard& scoreboard, Options options, UniqueFd listener,
                UniqueFd epoll, UniqueFd wake);
  ~WorkerHubImpl() override;

  Result<void> start_thread();

  void set_target(const control::InForce& in_force) override;
  StageOutcome stage(const control::InForce& in_force, std::chrono::milliseconds timeout) override;
  CommitOutcome commit(std::uint64_t generation, std::chrono::milliseconds timeout) override;
  void abort(std::uint64_t generation) override;
  [[nodiscard]] std::vector<WorkerStatus> workers() const override;

 private:
  struct Transaction {
    DocumentPtr document;
    Goal goal = Goal::kStaged;
    std::uint64_t max_pause_ns = 0;
  };
  using Peers = std::map<std::uint64_t, Peer>;  // by a number that is used once, not by descriptor

  // Any thread.
  void wake() noexcept;
  DocumentPtr document_of(const control::InForce& in_force) const;  // the known one where it is the same
  Tally await(const DocumentPtr& document, Goal goal, std::chrono::milliseconds timeout);
  [[nodiscard]] std::vector<LiveWorker> scan() const;
  // Under mutex_.
  [[nodiscard]] std::vector<LiveWorker> with_peers(std::vector<LiveWorker> scanned) const;
  [[nodiscard]] Tally tally(const DocumentPtr& document, Goal goal, const std::vector<LiveWorker>& scanned) const;
  [[nodiscard]] const Peer* peer_of(const LiveWorker& worker) const;
  [[nodiscard]] std::set<uid_t> users_of_workers() const;
  static StageOutcome given_up(std::uint64_t generation);
  [[nodiscard]] bool is_under_way(const DocumentPtr& document) const;

  // The hub's thread.
  void run() noexcept;
  void step();
  void accept_all();
  void read(std::uint64_t id);
  // False: the connection has to be closed.
  bool handle(Peer& peer, control::Message message);
  bool on_hello(Peer& peer, const control::Hello& hello);
  void close_others_of(std::uint32_t slot);
  void tell_other_build(const control::Hello& hello);
  static void tell_fallbacks(const Peer& peer, const std::string& failed);
  void on_events(const Peer& peer, const control::Events& events);
  void settle();
  void close(std::uint64_t id);
  bool watch(int socket, std::uint64_t id, std::uint32_t events, int operation);
  [[nodiscard]] int patience() const;
  void complain(const std::string& line);

  // Constant after construction.
  const control::StatePaths paths_;
  control::Scoreboard& scoreboard_;
  const EventSink sink_;
  const std::string build_;
  const UniqueFd listener_;
  const UniqueFd epoll_;
  const UniqueFd wake_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;         // peers_ or transaction_
  bool stopping_ = false;                   // guarded by mutex_
  DocumentPtr target_;                      // guarded by mutex_
  std::optional<Transaction> transaction_;  // guarded by mutex_
  std::uint64_t given_up_ = 0;              // guarded by mutex_; a generation that was aborted before it was staged
  Peers peers_;                             // changed by the hub's thread under mutex_

  // The hub's thread's own.
  std::uint64_t next_id_;
  std::optional<SteadyTime> accept_again_;  // set: the listener is not watched until then
  SteadyTime next_complaint_;
  std::uint64_t complaints_left_out_ = 0;
  std::string other_build_;  // that was told last

  std::thread thread_;
};

}  // namespace secbeat::agent
