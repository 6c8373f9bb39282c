#include "agent_link.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <utility>

namespace secbeat::worker {
namespace {

// Answers to commands: an agent with so many unread is not there.
constexpr std::size_t kMostUnsent = 64;

}  // namespace

Result<void> AgentLink::connect(const std::filesystem::path& socket) {
  close();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = socket.native();
  if (path.size() >= sizeof address.sun_path) return fail(ErrorCode::kConfig, path + " is too long for a unix socket");
  std::memcpy(address.sun_path, path.data(), path.size());

  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(io_error("socket"));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(io_error("cannot connect to " + path));
  }
  fd_ = std::move(fd);
  return {};
}

void AgentLink::close() noexcept {
  fd_.reset();
  unsent_.clear();
}

AgentLink::Sent AgentLink::send_now(const control::Message& message) {
  const auto sent = control::send_message(fd_.get(), message);
  if (sent) return Sent::kYes;
  if (sent.error().code == ErrorCode::kProtocol) return Sent::kLater;  // it would block
  if (sent.error().code == ErrorCode::kIo) close();
  return Sent::kNever;
}

void AgentLink::send(control::Message message) {
  if (!connected()) return;
  unsent_.push_back(std::move(message));
  flush();
  if (unsent_.size() > kMostUnsent) close();
}

void AgentLink::flush() {
  while (connected() && !unsent_.empty()) {
    const Sent sent = send_now(unsent_.front());
    if (sent == Sent::kLater) return;
    if (connected()) unsent_.pop_front();
  }
}

bool AgentLink::try_send(const control::Message& message) {
  if (!connected() || has_unsent()) return false;
  const Sent sent = send_now(message);
  // What can never be sent is done with, unless the connection is what failed.
  return sent == Sent::kYes || (sent == Sent::kNever && connected());
}

std::optional<control::Message> AgentLink::receive() {
  if (!connected()) return std::nullopt;
  auto message = control::receive_message(fd_.get());
  if (message) return std::move(*message);
  close();
  return std::nullopt;
}

}  // namespace secbeat::worker
