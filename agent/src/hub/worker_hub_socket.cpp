#include "worker_hub_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace secbeat::agent {
namespace {

constexpr int kBacklog = 256;  // as many as the hub takes
// Room for several of the largest messages, each counted about double by the kernel.
constexpr int kSendBufferBytes = 1 << 20;

UniqueFd new_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

const sockaddr* as_sockaddr(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Removes what a predecessor left. A socket that takes connections is not ours to remove.
Result<void> clear_the_place(const sockaddr_un& address) {
  struct stat st{};
  if (::lstat(address.sun_path, &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode)) {
    return fail(ErrorCode::kConfig, std::string(address.sun_path) + " is in the way of the workers' socket");
  }
  const UniqueFd probe = new_socket();
  if (!probe) return std::unexpected(io_error("socket"));
  if (::connect(probe.get(), as_sockaddr(address), sizeof address) == 0 || errno == EAGAIN) {
    return fail(ErrorCode::kConfig, "another agent listens on " + std::string(address.sun_path) +
                                        ": give each node a state directory of its own");
  }
  if (::unlink(address.sun_path) != 0 && errno != ENOENT) {
    return std::unexpected(io_error("cannot remove " + std::string(address.sun_path)));
  }
  return {};
}

}  // namespace

Result<UniqueFd> listen_for_workers(const std::filesystem::path& path, gid_t group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kConfig, path.string() + " is longer than the " +
                                        std::to_string(sizeof address.sun_path - 1) +
                                        " bytes that a unix socket's path may have: choose a shorter state_dir");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  if (auto cleared = clear_the_place(address); !cleared) return std::unexpected(cleared.error());

  UniqueFd listener = new_socket();
  if (!listener) return std::unexpected(io_error("socket"));
  if (::bind(listener.get(), as_sockaddr(address), sizeof address) != 0) {
    return std::unexpected(io_error("cannot bind " + path.string()));
  }
  // Nobody connects before listen(), so that owner and mode hold from the first connection on.
  if ((group != static_cast<gid_t>(-1) && ::lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0) ||
      ::chmod(path.c_str(), 0660) != 0) {
    return std::unexpected(io_error("cannot give " + path.string() + " to the workers"));
  }
  if (::listen(listener.get(), kBacklog) != 0) return std::unexpected(io_error("cannot listen on " + path.string()));
  return listener;
}

Result<Accepted> accept_worker(int listener) {
  Accepted accepted;
  accepted.socket = UniqueFd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!accepted.socket) return std::unexpected(io_error("accept"));
  socklen_t length = sizeof accepted.credentials;
  if (::getsockopt(accepted.socket.get(), SOL_SOCKET, SO_PEERCRED, &accepted.credentials, &length) != 0) {
    return std::unexpected(io_error("SO_PEERCRED"));
  }
  // What the administrator's limit allows is enough for one message; root may pass it.
  if (::setsockopt(accepted.socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes) !=
      0) {
    ::setsockopt(accepted.socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
  }
  return accepted;
}

std::optional<uid_t> user_of(pid_t process) {
  constexpr std::string_view kKey = "Uid:";  // real, effective, saved, of the file system
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kKey)) continue;
    std::istringstream users(line.substr(kKey.size()));
    uid_t real = 0;
    uid_t effective = 0;
    return users >> real >> effective ? std::optional(effective) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace secbeat::agent
