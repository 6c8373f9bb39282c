#include "secbeat/service/notify.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "secbeat/base/error.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::service {

void notify(std::string_view text) {
  const char* where = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): nothing changes the environment
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (where == nullptr || std::strlen(where) >= sizeof address.sun_path) return;
  const std::size_t length = std::strlen(where);
  std::memcpy(address.sun_path, where, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const auto sent =
      ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  if (sent < 0) spdlog::warn("{}", io_error("cannot notify the service manager").message);
}

}  // namespace secbeat::service
