#include "nats_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace secbeat::fleet {
namespace {

using namespace std::chrono_literals;

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

NatsServer::NatsServer() : port_(free_port()) {
  std::string name = (std::filesystem::temp_directory_path() / "secbeat-nats-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  start();
}

NatsServer::~NatsServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void NatsServer::start() {
  const std::string port = std::to_string(port_);
  const std::string log = (folder_ / "log").string();
  const std::string store = (folder_ / "store").string();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::execl(SECBEAT_NATS_SERVER, SECBEAT_NATS_SERVER, "-a", "127.0.0.1", "-p", port.c_str(), "-js", "-sd", store.c_str(),
          "-l", log.c_str(), static_cast<char*>(nullptr));
  ::_exit(127);
}

void NatsServer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string NatsServer::url() const { return fmt::format("nats://127.0.0.1:{}", port_); }

std::unique_ptr<Connection> NatsServer::connect() const {
  auto connection = Connection::start({.url = url(), .name = "test"});
  EXPECT_TRUE(connection) << connection.error().message;
  EXPECT_TRUE(eventually([&] { return (*connection)->connected(); }));
  return *std::move(connection);
}

}  // namespace secbeat::fleet
