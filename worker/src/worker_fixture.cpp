#include "worker_fixture.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::worker::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kTimeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

bool readable(int fd, std::chrono::milliseconds timeout) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) == 1;
}

NodeFolders::NodeFolders() {
  std::string pattern = (fs::temp_directory_path() / "secbeat-worker-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  paths_.state_dir = pattern;
  for (const char* folder : {"workers", "data/artifacts", "data/configs"}) {
    fs::create_directories(paths_.state_dir / folder);
  }
}

NodeFolders::~NodeFolders() {
  std::error_code ignored;
  fs::remove_all(paths_.state_dir, ignored);
}

control::Version NodeFolders::version(std::uint64_t id, const std::string& guest, const std::string& config) {
  std::string& artifact = artifacts_[guest];
  if (artifact.empty()) {
    engine::CompileJob job;
    job.module = fs::path(SECBEAT_GUESTS_DIR) / (guest + ".wasm");
    job.output = paths_.state_dir / "compiled";
    job.rehearsal = engine::Rehearsal::kSkip;
    const auto report = engine::run_compile_job(job);
    if (!report || report->error) {
      ADD_FAILURE() << guest << ": " << (report ? report->error->message : report.error().message);
      return {};
    }
    artifact = report->artifact_sha256;
    fs::rename(job.output, paths_.artifact(artifact));
  }
  control::Version version;
  version.id = id;
  version.label = "v" + std::to_string(id);
  version.sha256 = sha256_hex(guest + " " + std::to_string(id));
  version.artifact_sha256 = artifact;
  version.size_bytes = 1;
  version.loaded_at = "2025-11-24T01:00:03Z";
  if (!config.empty()) {
    version.config_sha256 = sha256_hex(config);
    EXPECT_TRUE(write_file_atomically(paths_.config(version.config_sha256), config));
  }
  return version;
}

void NodeFolders::write_in_force(const control::InForce& in_force) const {
  EXPECT_TRUE(write_file_atomically(paths_.in_force(), control::to_json(in_force)));
}

std::unique_ptr<control::Scoreboard> NodeFolders::make_scoreboard() const {
  auto scoreboard = control::Scoreboard::create(paths_.scoreboard(), ::geteuid(), ::getegid());
  EXPECT_TRUE(scoreboard) << scoreboard.error().message;
  return std::move(*scoreboard);
}

void NodeFolders::corrupt(const control::Version& version) const {
  const fs::path path = paths_.artifact(version.artifact_sha256);
  std::string bytes = read_file(path, std::size_t{64} << 20U).value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void NodeFolders::remove(const control::Version& version) const {
  fs::remove(paths_.artifact(version.artifact_sha256));
}

control::Slot slot_of(std::string name, std::vector<control::Version> versions, control::OnError on_error) {
  control::Slot slot;
  slot.name = std::move(name);
  slot.on_error = on_error;
  slot.versions = std::move(versions);
  if (!slot.versions.empty()) slot.current = slot.versions[0].id;
  if (slot.versions.size() > 1) slot.previous = slot.versions[1].id;
  return slot;
}

control::InForce document_of(std::uint64_t generation, std::vector<control::Slot> slots) {
  control::InForce in_force;
  in_force.generation = generation;
  in_force.slots = std::move(slots);
  return in_force;
}

FakeAgent::FakeAgent(const fs::path& socket) : path_(socket) {
  fs::remove(path_);
  listening_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.native().copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listening_.get(), 4), 0);
}

FakeAgent::~FakeAgent() { fs::remove(path_); }

control::Hello FakeAgent::accept() {
  if (!readable(listening_.get(), kTimeout)) {
    ADD_FAILURE() << "no worker connects";
    return {};
  }
  connection_ = UniqueFd(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  return expect<control::Hello>();
}

void FakeAgent::send(const control::Message& message) const {
  const auto sent = control::send_message(connection_.get(), message);
  EXPECT_TRUE(sent) << sent.error().message;
}

std::optional<control::Message> FakeAgent::receive(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    if (!readable(connection_.get(), timeout)) continue;
    auto message = control::receive_message(connection_.get());
    if (!message) return std::nullopt;
    if (!*message) continue;
    const auto* batch = std::get_if<control::Events>(&**message);
    if (batch == nullptr) return std::move(**message);
    events_.insert(events_.end(), batch->events.begin(), batch->events.end());
    largest_batch_ = std::max(largest_batch_, batch->events.size());
    if (timeout != kTimeout) return std::nullopt;
  }
  return std::nullopt;
}

const std::vector<control::Event>& FakeAgent::events(std::size_t at_least) {
  EXPECT_TRUE(eventually([&] {
    if (events_.size() < at_least) static_cast<void>(receive(100ms));
    return events_.size() >= at_least;
  }));
  return events_;
}

engine::RequestView get_request(std::string_view uri, std::string_view source_ip) {
  engine::RequestView request;
  request.method = "GET";
  request.uri = uri;
  request.version = "HTTP/1.1";
  request.source_ip = source_ip;
  request.host = "www.example.com";
  request.now_unix_ms = 1'763'946'003'000;
  return request;
}

engine::RequestView request_with(std::string_view header) {
  static std::array<engine::HeaderView, 1> headers;
  headers[0] = {header, "1"};
  engine::RequestView request = get_request("/odd");
  request.headers = headers;
  return request;
}

void WorkerTest::SetUp() { scoreboard_ = folders_.make_scoreboard(); }

void WorkerTest::start_worker() {
  Worker::Options options;
  options.state_dir = folders_.paths().state_dir;
  options.pid = ::getpid();
  options.parent_pid = ::getppid();
  options.log = [this](std::string_view line) { log_.emplace_back(line); };
  auto worker = Worker::start(std::move(options));
  // Nothing in a test goes on without one; GoogleTest takes what is thrown for a failure of the test.
  if (!worker) throw std::runtime_error(worker.error().message);
  worker_ = std::move(*worker);
}

control::Serving WorkerTest::bring_into_service(FakeAgent& agent, const control::InForce& in_force) {
  agent.send(control::Stage{in_force});
  EXPECT_EQ(agent.expect<control::Staged>().generation, in_force.generation);
  agent.send(control::Commit{in_force.generation});
  let_loop_swap();
  return agent.expect<control::Serving>();
}

bool WorkerTest::loop_is_wanted() const { return readable(worker_->wake_fd(), kTimeout); }

void WorkerTest::let_loop_swap() {
  EXPECT_TRUE(loop_is_wanted());
  worker_->on_wake();
}

const control::Series& WorkerTest::series(std::uint64_t version_id) const {
  for (const control::Series& candidate : slot().series) {
    if (candidate.version_id.load() == version_id) return candidate;
  }
  ADD_FAILURE() << "version " << version_id << " is not counted";
  return slot().series[0];
}

bool WorkerTest::logged(std::string_view text) const {
  return std::ranges::any_of(log_, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

}  // namespace secbeat::worker::test
