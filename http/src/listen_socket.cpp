#include "listen_socket.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace secbeat::http {
namespace {

constexpr int kBacklog = 511;

std::unexpected<Error> cannot_listen(const Listen& listen, const std::string& why) {
  return fail(ErrorCode::kConfig, fmt::format("the API cannot listen on {}:{}: {}", listen.host, listen.port, why));
}

}  // namespace

Result<UniqueFd> listen_on(const Listen& listen) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(listen.host.c_str(), std::to_string(listen.port).c_str(), &hints, &found);
  if (failed != 0) return cannot_listen(listen, ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, &::freeaddrinfo);

  UniqueFd socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return cannot_listen(listen, io_error("no socket").message);
  }
  if (::bind(socket.get(), address->ai_addr, address->ai_addrlen) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) {
      return cannot_listen(listen,
                           port_in_use(listen.port) + ": end that program, or set another port in [api] listen");
    }
    return cannot_listen(listen, std::generic_category().message(errno));
  }
  return socket;
}

std::uint16_t port_of(const UniqueFd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace secbeat::http
