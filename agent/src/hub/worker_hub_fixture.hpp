// Workers and an agent in one process: real sockets in a temporary folder, a real scoreboard, no engine.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "secbeat/agent/worker_hub.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Nothing here waits longer than this; a test that meets it has failed.
inline constexpr std::chrono::seconds kPatience{60};
// For what must not happen in time: long enough to see that it does not, short enough to wait for.
inline constexpr std::chrono::milliseconds kShort{300};

control::InForce document(std::uint64_t generation);

// A connection to the hub's socket.
UniqueFd connect_to(const std::filesystem::path& socket);

// A worker without an engine: a slot in the scoreboard and a thread that speaks the protocol. What it does with
// a message is the test's to decide; by default it stages and swaps whatever it is asked to.
//
// Thread safety: every method may be called from any thread.
class FakeWorker {
 public:
  struct Behaviour {
    std::function<std::optional<control::Message>(const control::Stage&)> on_stage;
    std::function<std::optional<control::Message>(const control::Commit&)> on_commit;
  };

  FakeWorker(control::Scoreboard& scoreboard, control::StatePaths paths, std::uint64_t generation = 0);
  FakeWorker(control::Scoreboard& scoreboard, control::StatePaths paths, std::uint64_t generation, Behaviour behaviour);
  ~FakeWorker();
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;

  // The helper thread connects and says hello.
  void connect();
  // The process is gone: its slot is not live and its connection ends.
  void die();
  // The helper thread closes its connection; the process lives.
  void disconnect();
  void send(const control::Message& message);
  // Swaps by itself, as a worker that loaded the file when it started.
  void serve(std::uint64_t generation);

  [[nodiscard]] std::uint32_t slot() const { return slot_; }
  [[nodiscard]] std::uint64_t serving() const;
  [[nodiscard]] bool is_connected() const;  // false also after the agent has closed the connection
  // The messages that it got, such as "stage 7".
  [[nodiscard]] std::vector<std::string> heard() const;
  // Waits until it has heard this `times` times.
  [[nodiscard]] bool hears(const std::string& message, std::size_t times = 1) const;
  [[nodiscard]] bool is_disconnected_by_agent() const;  // waits for it

 private:
  void run(int socket);
  void handle(const control::Message& message);
  void answer(std::optional<control::Message> message);

  control::Scoreboard& scoreboard_;
  const control::StatePaths paths_;
  const Behaviour behaviour_;
  const std::uint32_t slot_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> heard_;  // guarded by mutex_
  bool connected_ = false;          // guarded by mutex_
  UniqueFd socket_;                 // set while thread_ runs
  std::thread thread_;
};

// Ways in which a worker answers.
inline std::optional<control::Message> no_answer(const control::Stage&) { return std::nullopt; }

inline std::optional<control::Message> no_swap(const control::Commit&) { return std::nullopt; }

inline std::optional<control::Message> cannot_configure(const control::Stage& stage) {
  return control::StageFailed{stage.in_force.generation, "universal-waf", "configure_failed", "no such rule"};
}

class WorkerHubTest : public ::testing::Test {
 protected:
  WorkerHubTest();
  ~WorkerHubTest() override;

  void start_hub();
  std::unique_ptr<FakeWorker> worker(std::uint64_t generation = 0);  // connected
  std::unique_ptr<FakeWorker> worker(std::uint64_t generation, FakeWorker::Behaviour behaviour);
  // Waits until the hub counts so many connected workers.
  bool sees_connected(std::size_t count);
  static bool eventually(const std::function<bool()>& condition);
  // The way of a reload that goes well.
  void put_in_force(std::uint64_t generation);

  std::filesystem::path folder_;
  control::StatePaths paths_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::mutex events_mutex_;
  std::vector<std::pair<std::int32_t, control::Event>> events_;  // guarded by events_mutex_
  std::unique_ptr<WorkerHub> hub_;
};

}  // namespace secbeat::agent
