// What the tests of the worker share: a node's folders with compiled guests, an agent on a real socket, and a
// worker whose event loop is the test's own thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/unique_fd.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/protocol.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "secbeat/engine/request.hpp"
#include "secbeat/worker/worker.hpp"

namespace secbeat::worker::test {

// For everything that is waited for; long enough for a sanitizer's build on a busy machine.
inline constexpr std::chrono::seconds kTimeout{60};

// Waits for a condition that another thread brings about. False after kTimeout.
bool eventually(const std::function<bool()>& condition);
// Whether `fd` becomes readable within `timeout`.
bool readable(int fd, std::chrono::milliseconds timeout);

// The state directory of a node, with the guests that a test names compiled into it.
class NodeFolders {
 public:
  NodeFolders();
  ~NodeFolders();
  NodeFolders(const NodeFolders&) = delete;
  NodeFolders& operator=(const NodeFolders&) = delete;

  [[nodiscard]] const control::StatePaths& paths() const noexcept { return paths_; }
  // A version of the guest with this name, its artifact and configuration in place.
  control::Version version(std::uint64_t id, const std::string& guest, const std::string& config = "");
  void write_in_force(const control::InForce& in_force) const;
  std::unique_ptr<control::Scoreboard> make_scoreboard() const;
  // Flips one bit in the middle of the version's artifact.
  void corrupt(const control::Version& version) const;
  void remove(const control::Version& version) const;

 private:
  control::StatePaths paths_;
  std::map<std::string, std::string> artifacts_;  // by guest
};

// One place in a chain: newest version first, as the agent writes it; the first is current, the second previous.
control::Slot slot_of(std::string name, std::vector<control::Version> versions,
                      control::OnError on_error = control::OnError::kPrevious);
control::InForce document_of(std::uint64_t generation, std::vector<control::Slot> slots);

// The agent's end of the workers' socket, for one worker at a time.
class FakeAgent {
 public:
  explicit FakeAgent(const std::filesystem::path& socket);
  ~FakeAgent();
  FakeAgent(const FakeAgent&) = delete;
  FakeAgent& operator=(const FakeAgent&) = delete;

  // Waits for the worker to connect and answers its hello.
  control::Hello accept();
  void send(const control::Message& message) const;
  // The next message that is not a batch of events; those are gathered in events().
  std::optional<control::Message> receive(std::chrono::milliseconds timeout = kTimeout);
  template <class Expected>
  Expected expect() {
    const auto message = receive();
    if (!message || !std::holds_alternative<Expected>(*message)) {
      ADD_FAILURE() << "expected another message than " << (message ? control::to_json(*message) : "none");
      return {};
    }
    return std::get<Expected>(*message);
  }
  // Waits until this many events have come.
  const std::vector<control::Event>& events(std::size_t at_least);
  [[nodiscard]] std::size_t largest_batch() const noexcept { return largest_batch_; }

 private:
  std::filesystem::path path_;
  UniqueFd listening_;
  UniqueFd connection_;
  std::vector<control::Event> events_;
  std::size_t largest_batch_ = 0;
};

// A request, by default a plain GET; views of constants.
engine::RequestView get_request(std::string_view uri = "/", std::string_view source_ip = "198.51.100.7");
// The same with one header, whose name is a constant.
engine::RequestView request_with(std::string_view header);

class WorkerTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // Starts a worker for `folders`; what it logs is in log_.
  void start_worker();
  // Stages and commits, with the test's thread as the event loop, and returns the acknowledgement.
  control::Serving bring_into_service(FakeAgent& agent, const control::InForce& in_force);
  // Waits for the worker to ask for the event loop's turn.
  [[nodiscard]] bool loop_is_wanted() const;
  // That turn.
  void let_loop_swap();
  [[nodiscard]] const control::WorkerSlot& slot() const { return scoreboard_->layout().workers[0]; }
  [[nodiscard]] const control::Series& series(std::uint64_t version_id) const;
  [[nodiscard]] bool logged(std::string_view text) const;

  NodeFolders folders_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::vector<std::string> log_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace secbeat::worker::test
