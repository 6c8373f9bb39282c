// The small languages inside configuration values: names, paths; addresses are in secbeat/base/listen.hpp.
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/listen.hpp"

namespace secbeat::agent {

// Letters, digits, '.', '_', '-'; does not begin with '.' or '-'; at most 64 characters. Module, node and user names.
bool is_name(std::string_view text);
// 64 hexadecimal digits, in lower case.
std::optional<std::string> parse_sha256(std::string_view text);
// A path that can stand in nginx' configuration between quotes: no control characters, quotes, '$', '\', ';', '{', '}'.
bool is_plain_path(std::string_view text);

}  // namespace secbeat::agent
