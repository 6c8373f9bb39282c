#include "secbeat/base/content_file.hpp"

#include <algorithm>

#include "secbeat/base/files.hpp"

namespace secbeat {

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<std::string> read_content(const std::filesystem::path& file, std::string_view sha256, std::size_t limit) {
  if (!is_sha256(sha256)) return fail(ErrorCode::kBadRequest, "A SHA-256 is 64 lower-case hexadecimal digits");
  auto bytes = read_file(file, limit);
  if (bytes && sha256_hex(*bytes) != sha256) {
    return fail(ErrorCode::kIo, file.string() + " is damaged: its content is not what its name says");
  }
  return bytes;
}

}  // namespace secbeat
