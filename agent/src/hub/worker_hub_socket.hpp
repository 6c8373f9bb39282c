// The hub's listening socket: who may connect, and whose place it takes.
#pragma once

#include <sys/socket.h>

#include <filesystem>
#include <optional>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Binds and listens (SOCK_SEQPACKET, non-blocking), mode 0660, for `group` where it is not -1. Takes the place
// of a socket that nobody listens on. kConfig: the path is too long, or another agent listens there.
Result<UniqueFd> listen_for_workers(const std::filesystem::path& path, gid_t group);

struct Accepted {
  UniqueFd socket;
  ucred credentials{};
};
// The next connection with who made it; kIo where there is none or none can be taken, errno says which.
Result<Accepted> accept_worker(int listener);

// As whom the process runs now; empty where there is none, or /proc hides it.
std::optional<uid_t> user_of(pid_t process);

}  // namespace secbeat::agent
