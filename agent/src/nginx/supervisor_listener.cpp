#include "supervisor_listener.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "config_values.hpp"
#include "secbeat/base/files.hpp"
#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

constexpr int kBacklog = 511;  // as nginx asks for

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const Listen& listen) {
  SocketAddress address;
  if (listen.host.find(':') != std::string::npos) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(listen.port);
    ::inet_pton(AF_INET6, listen.host.c_str(), &v6.sin6_addr);
    address.size = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(listen.port);
    ::inet_pton(AF_INET, listen.host.c_str(), &v4.sin_addr);
    address.size = sizeof v4;
  }
  return address;
}

std::string reason_of(int error, const Listen& listen) {
  if (error == EADDRINUSE) {
    return port_in_use(listen.port) + ": end that program, or set another port in [proxy] listen";
  }
  if (error == EACCES) {
    return "no right to use this port: run as root, set net.ipv4.ip_unprivileged_port_start, or take a port from 1024";
  }
  if (error == EADDRNOTAVAIL) return "this machine does not have the address";
  return std::generic_category().message(error);
}

bool listens(const UniqueFd& socket) {
  int on = 0;
  socklen_t size = sizeof on;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on != 0;
}

}  // namespace

Result<UniqueFd> bind_listener(const Listen& listen) {
  const SocketAddress address = socket_address(listen);
  const int family = address.get()->sa_family;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  // As nginx would set them: a restart binds at once, and an IPv6 address is not the IPv4 one as well.
  const bool ready = socket && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                     (family != AF_INET6 || ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
  if (!ready || ::bind(socket.get(), address.get(), address.size) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    const int error = errno;
    return fail(ErrorCode::kConfig, fmt::format("cannot listen on {}: {}", to_text(listen), reason_of(error, listen)));
  }
  return socket;
}

Listen address_of(const UniqueFd& socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address.storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, host.data(), host.size());
    return {host.data(), ntohs(v6.sin6_port)};
  }
  if (address.storage.ss_family != AF_INET) return {};
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
  ::inet_ntop(AF_INET, &v4.sin_addr, host.data(), host.size());
  return {host.data(), ntohs(v4.sin_port)};
}

UniqueFd take_listener(pid_t pid, const Listen& listen) {
  const UniqueFd pidfd = open_pidfd(pid);
  UniqueFd result;
  if (!pidfd) return result;
  const std::string wanted_host = [&] {  // in the one spelling that the kernel gives back
    std::array<char, INET6_ADDRSTRLEN> host{};
    in6_addr address{};
    const int family = listen.host.find(':') != std::string::npos ? AF_INET6 : AF_INET;
    ::inet_pton(family, listen.host.c_str(), &address);
    return std::string(::inet_ntop(family, &address, host.data(), host.size()));
  }();
  any_socket(fmt::format("/proc/{}", pid), [&](const std::string& name, const std::string&) {
    int number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));  // close-on-exec is set
    if (!copy || !listens(copy)) return false;
    const Listen found = address_of(copy);
    if (found.host != wanted_host || (listen.port != 0 && found.port != listen.port)) return false;
    result = std::move(copy);
    return true;
  });
  return result;
}

}  // namespace secbeat::agent
