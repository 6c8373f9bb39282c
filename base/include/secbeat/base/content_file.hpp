// Files whose name is the SHA-256 of what they hold.
//
// Thread safety: free functions without state.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat {

// 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);

// The bytes of the file, which have this SHA-256. kBadRequest where it is none, kIo where the file cannot be read or
// holds something else, kTooLarge above `limit`.
Result<std::string> read_content(const std::filesystem::path& file, std::string_view sha256, std::size_t limit);

}  // namespace secbeat
