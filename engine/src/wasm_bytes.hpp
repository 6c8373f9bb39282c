// For tests: a module's binary form, written by hand.
#pragma once

#include <string>
#include <string_view>

namespace secbeat::engine {

inline const std::string kHeader{std::string_view("\0asm\1\0\0\0", 8)};

inline std::string section(char id, const std::string& content) {
  return std::string(1, id) + static_cast<char>(content.size()) + content;
}

inline std::string text(const std::string& bytes) { return static_cast<char>(bytes.size()) + bytes; }

}  // namespace secbeat::engine
