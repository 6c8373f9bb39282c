// The small languages inside configuration values: addresses, names, paths.
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

// "127.0.0.1:9090", "[::1]:9090", "localhost:9090" (which is 127.0.0.1) or "*:80" (every IPv4 address).
// The host comes back without brackets. Empty: it is none of these.
std::optional<Listen> parse_listen(std::string_view text);
// "host:port" with the host as above or a DNS name.
bool is_host_and_port(std::string_view text);
bool is_loopback(std::string_view host);
// "127.0.0.1:80", "[::1]:80".
std::string to_text(const Listen& listen);

// Letters, digits, '.', '_', '-'; does not begin with '.' or '-'; at most 64 characters. Module, node and user names.
bool is_name(std::string_view text);
// 64 hexadecimal digits, in lower case.
std::optional<std::string> parse_sha256(std::string_view text);
// A path that can stand in nginx' configuration between quotes: no control characters, quotes, '$', '\', ';', '{', '}'.
bool is_plain_path(std::string_view text);

}  // namespace secbeat::agent
