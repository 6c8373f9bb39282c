// Modules and configurations as the fleet keeps them: in secbeat_modules, each under its SHA-256.
//
// Thread safety: a free function; as the connection.
#pragma once

#include <string>

#include "secbeat/fleet/connection.hpp"

namespace secbeat::fleet {

// kProtocol also where other bytes lie under that name: what vouches for an object is written by whoever wrote it, and
// only the name is from the document that wants it. Else as get_object().
Result<std::string> get_content(Connection& connection, const std::string& sha256, std::size_t limit);

}  // namespace secbeat::fleet
