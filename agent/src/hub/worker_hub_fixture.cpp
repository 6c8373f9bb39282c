#include "worker_hub_fixture.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace secbeat::agent {

control::InForce document(std::uint64_t generation) {
  control::InForce in_force;
  in_force.generation = generation;
  control::Slot slot;
  slot.name = "universal-waf";
  slot.versions.push_back({generation, "v" + std::to_string(generation), std::string(64, 'a'), "", std::string(64, 'b'),
                           22528, "2025-11-24T01:00:03Z"});
  slot.current = generation;
  in_force.slots.push_back(slot);
  return in_force;
}

UniqueFd connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) socket.reset();
  return socket;
}

FakeWorker::FakeWorker(control::Scoreboard& scoreboard, control::StatePaths paths, std::uint64_t generation)
    : FakeWorker(scoreboard, std::move(paths), generation, Behaviour{}) {}

FakeWorker::FakeWorker(control::Scoreboard& scoreboard, control::StatePaths paths, std::uint64_t generation,
                       Behaviour behaviour)
    : scoreboard_(scoreboard),
      paths_(std::move(paths)),
      behaviour_(std::move(behaviour)),
      slot_(scoreboard.claim(::getpid(), ::getppid()).value()) {
  serve(generation);
}

FakeWorker::~FakeWorker() { die(); }

void FakeWorker::connect() {
  disconnect();
  socket_ = connect_to(paths_.socket());
  ASSERT_TRUE(socket_);
  {
    const std::lock_guard lock(mutex_);
    connected_ = true;
  }
  send(control::Hello{control::kProtocolVersion, ::getpid(), slot_, serving(), "test", ::getppid()});
  thread_ = std::thread([this, socket = socket_.get()] { run(socket); });
}

void FakeWorker::die() {
  scoreboard_.release(slot_);
  disconnect();
}

void FakeWorker::disconnect() {
  if (!thread_.joinable()) return;
  ::shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
  socket_.reset();
}

void FakeWorker::send(const control::Message& message) {
  // A refused one is a connection that has ended meanwhile, which the reader notices.
  [[maybe_unused]] const auto sent = control::send_message(socket_.get(), message);
}

void FakeWorker::serve(std::uint64_t generation) {
  scoreboard_.layout().workers[slot_].generation.store(generation, std::memory_order_relaxed);
}

std::uint64_t FakeWorker::serving() const {
  return scoreboard_.layout().workers[slot_].generation.load(std::memory_order_relaxed);
}

bool FakeWorker::is_connected() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

std::vector<std::string> FakeWorker::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

bool FakeWorker::hears(const std::string& message, std::size_t times) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::count(heard_.begin(), heard_.end(), message) >= static_cast<std::ptrdiff_t>(times);
  });
}

bool FakeWorker::is_disconnected_by_agent() const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return !connected_; });
}

void FakeWorker::run(int socket) {
  for (;;) {
    auto message = control::receive_message(socket);
    if (!message) break;
    if (*message) handle(**message);
  }
  const std::lock_guard lock(mutex_);
  connected_ = false;
  changed_.notify_all();
}

void FakeWorker::handle(const control::Message& message) {
  std::string line;
  std::optional<control::Message> reply;
  if (const auto* stage = std::get_if<control::Stage>(&message)) {
    line = "stage " + std::to_string(stage->in_force.generation);
    reply = behaviour_.on_stage ? behaviour_.on_stage(*stage) : control::Staged{stage->in_force.generation};
  } else if (const auto* commit = std::get_if<control::Commit>(&message)) {
    line = "commit " + std::to_string(commit->generation);
    if (behaviour_.on_commit) {
      reply = behaviour_.on_commit(*commit);
    } else {
      serve(commit->generation);
      reply = control::Serving{commit->generation, 1000 + slot_};
    }
  } else if (const auto* abort = std::get_if<control::Abort>(&message)) {
    line = "abort " + std::to_string(abort->generation);
  }
  {
    const std::lock_guard lock(mutex_);
    heard_.push_back(line);
    changed_.notify_all();
  }
  if (reply) send(*reply);
}

WorkerHubTest::WorkerHubTest() {
  spdlog::set_level(spdlog::level::off);
  std::string name = (std::filesystem::temp_directory_path() / "secbeat-hub-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  folder_ = name;
  paths_.state_dir = folder_;
  auto scoreboard = control::Scoreboard::create(paths_.scoreboard(), ::geteuid(), ::getegid());
  EXPECT_TRUE(scoreboard.has_value()) << scoreboard.error().message;
  scoreboard_ = std::move(*scoreboard);
}

WorkerHubTest::~WorkerHubTest() {
  hub_.reset();
  std::filesystem::remove_all(folder_);
}

void WorkerHubTest::start_hub() {
  WorkerHub::Options options;
  options.build = "test";
  options.sink = [this](std::int32_t pid, const control::Event& event) {
    const std::lock_guard lock(events_mutex_);
    events_.emplace_back(pid, event);
  };
  auto hub = WorkerHub::start(paths_, *scoreboard_, std::move(options));
  ASSERT_TRUE(hub.has_value()) << hub.error().message;
  hub_ = std::move(*hub);
}

std::unique_ptr<FakeWorker> WorkerHubTest::worker(std::uint64_t generation) { return worker(generation, {}); }

std::unique_ptr<FakeWorker> WorkerHubTest::worker(std::uint64_t generation, FakeWorker::Behaviour behaviour) {
  auto made = std::make_unique<FakeWorker>(*scoreboard_, paths_, generation, std::move(behaviour));
  made->connect();
  return made;
}

bool WorkerHubTest::eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between two looks
  }
  return true;
}

bool WorkerHubTest::sees_connected(std::size_t count) {
  return eventually([&] {
    const auto workers = hub_->workers();
    return static_cast<std::size_t>(std::count_if(
               workers.begin(), workers.end(), [](const WorkerStatus& status) { return status.connected; })) == count;
  });
}

void WorkerHubTest::put_in_force(std::uint64_t generation) {
  const StageOutcome staged = hub_->stage(document(generation), kPatience);
  ASSERT_TRUE(staged.failures.empty()) << staged.failures.front().error.message;
  hub_->set_target(document(generation));
  const CommitOutcome committed = hub_->commit(generation, kPatience);
  ASSERT_TRUE(committed.failures.empty()) << committed.failures.front().error.message;
}

}  // namespace secbeat::agent
