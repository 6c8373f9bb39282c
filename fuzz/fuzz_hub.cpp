// The agent's end of the workers' socket: a real hub, and a peer that sends the input's packets, with a zero byte
// between them; where the first byte is odd, it has said who it is before. The hub closes the connection when the peer
// has left or has sent what is no message, and what it sends to peers are messages of an agent.
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <variant>

#include "fuzz_support.hpp"
#include "secbeat/agent/worker_hub.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::control;
using fuzz::require;

constexpr std::uint64_t kWanted = 5;
constexpr timeval kPatience{.tv_sec = 20, .tv_usec = 0};

void check_event(std::int32_t pid, const Event& event) {
  require(pid == ::getpid());
  require(event.uri.size() <= kMaxEventUri && event.rule.size() <= kMaxEventText &&
          event.message.size() <= kMaxEventText && event.module.size() <= kMaxEventText &&
          event.method.size() <= kMaxEventText && event.kind.size() <= kMaxEventText);
}

struct Agent {
  Agent() {
    spdlog::set_default_logger(spdlog::null_logger_mt("fuzz"));
    char made[] = "/tmp/secbeat-fuzz-hub-XXXXXX";
    require(::mkdtemp(made) != nullptr);
    folder = made;
    paths.state_dir = folder;
    scoreboard = *Scoreboard::create(paths.scoreboard(), static_cast<uid_t>(-1), static_cast<gid_t>(-1));
    require(scoreboard->claim(::getpid(), ::getppid()) == 0);
    hub = *agent::WorkerHub::start(paths, *scoreboard, {.build = "fuzz", .sink = check_event});
    InForce wanted;
    wanted.generation = kWanted;
    hub->set_target(wanted);
  }
  ~Agent() {
    hub.reset();
    std::filesystem::remove_all(folder);
  }
  std::filesystem::path folder;
  StatePaths paths;
  std::unique_ptr<Scoreboard> scoreboard;
  std::unique_ptr<agent::WorkerHub> hub;
};

UniqueFd connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  require(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

// An empty packet would look like the end.
void send_all(int socket, std::string_view packets) {
  while (!packets.empty()) {
    const auto [packet, rest] = fuzz::split(packets, '\0');
    packets = rest;
    if (!packet.empty() && ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return;
  }
}

// Until the hub has closed the connection.
void read_answers(int socket) {
  for (;;) {
    const auto message = receive_message(socket);
    if (!message) return require(message.error().message.find("Resource temporarily") == std::string::npos);
    require(message->has_value());
    require(std::holds_alternative<Stage>(**message) || std::holds_alternative<Commit>(**message) ||
            std::holds_alternative<Abort>(**message));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Agent agent;
  std::string_view input = fuzz::text_of(data, size);
  if (input.empty()) return 0;
  const bool says_hello = (static_cast<unsigned char>(input.front()) & 1U) != 0;
  input.remove_prefix(1);
  const UniqueFd socket = connect_to(agent.paths.socket());
  if (says_hello) {
    require(
        send_message(socket.get(), Hello{.pid = ::getpid(), .build = "fuzz", .parent_pid = ::getppid()}).has_value());
  }
  send_all(socket.get(), input);
  ::shutdown(socket.get(), SHUT_WR);
  read_answers(socket.get());
  require(agent.hub->workers().size() == 1);
  return 0;
}
