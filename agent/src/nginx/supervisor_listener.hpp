// The socket on which clients come in.
//
// The supervisor makes it, keeps a duplicate and hands it to each nginx master that it starts (nginx takes over
// the descriptors that its environment names in NGINX, which is how it upgrades its own binary). The socket
// therefore outlives every master: while one is replaced, clients wait in its queue instead of being refused, and
// a new master never meets "address in use" although workers of a killed one still listen. An agent that comes
// back duplicates the socket out of the nginx that runs (pidfd_getfd).
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Bound, listening, not blocking. kConfig: no such address, no right to use the port, or the port is taken: by whom.
Result<UniqueFd> bind_listener(const Listen& listen);
// The address that a socket is bound to.
Listen address_of(const UniqueFd& socket);
// A duplicate of the process's socket that listens on this address (any port where listen.port is 0). Invalid:
// it has none, or the kernel does not let us.
UniqueFd take_listener(pid_t pid, const Listen& listen);

}  // namespace secbeat::agent
