// The API's listening socket.
//
// Thread safety: free functions without state.
#pragma once

#include <cstdint>

#include "secbeat/base/error.hpp"
#include "secbeat/base/listen.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::http {

// Bound and listening, not blocking. kConfig: the address is not one of this machine, or the port is taken,
// with its owner where /proc shows it.
Result<UniqueFd> listen_on(const Listen& listen);
// The port that a socket is bound to.
std::uint16_t port_of(const UniqueFd& socket);

}  // namespace secbeat::http
