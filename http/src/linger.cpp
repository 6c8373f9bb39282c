#include "linger.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace secbeat::http {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongest = 10s;                               // for one connection
constexpr std::size_t kMostBytes = std::size_t{256} << 20U;  // thrown away for one connection
constexpr std::size_t kMostConnections = 128;

}  // namespace

Lingerer::Lingerer() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}

Lingerer::~Lingerer() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Lingerer::take(UniqueFd connection) {
  {
    const std::scoped_lock lock(mutex_);
    if (!connection || held_ >= kMostConnections) return;
    ++held_;
    arrived_.push_back({std::move(connection), std::chrono::steady_clock::now() + kLongest, 0});
  }
  ::eventfd_write(wake_.get(), 1);
}

// False when the connection is done with.
bool Lingerer::drain(Connection& connection) {
  std::array<char, 65536> buffer;
  // A few reads at a time, so that one fast client does not hold up the others.
  for (int i = 0; i < 16; ++i) {
    const ssize_t n = ::recv(connection.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    connection.thrown_away += static_cast<std::size_t>(n);
    if (connection.thrown_away > kMostBytes) return false;
  }
  return true;
}

void Lingerer::run() {
  std::vector<Connection> connections;
  std::vector<pollfd> polled;
  for (;;) {
    polled.assign(1, {wake_.get(), POLLIN, 0});
    for (const Connection& connection : connections) polled.push_back({connection.fd.get(), POLLIN, 0});
    ::poll(polled.data(), polled.size(), connections.empty() ? -1 : 1000);

    const SteadyTime now = std::chrono::steady_clock::now();
    std::vector<Connection> remaining;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      const bool open = now < connections[i].until && (polled[i + 1].revents == 0 || drain(connections[i]));
      if (open) remaining.push_back(std::move(connections[i]));
    }
    eventfd_t count = 0;
    ::eventfd_read(wake_.get(), &count);
    const std::scoped_lock lock(mutex_);
    if (stopped_) return;
    connections = std::move(remaining);
    for (Connection& connection : arrived_) connections.push_back(std::move(connection));
    arrived_.clear();
    held_ = connections.size();
  }
}

}  // namespace secbeat::http
