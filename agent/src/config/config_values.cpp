#include "config_values.hpp"

#include <algorithm>

namespace secbeat::agent {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_name(std::string_view text) {
  constexpr std::size_t kLongestName = 64;
  return !text.empty() && text.size() <= kLongestName && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::optional<std::string> parse_sha256(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  if (text.size() != kDigits) return std::nullopt;
  std::string digits(text);
  for (char& c : digits) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return std::nullopt;
  }
  return digits;
}

bool is_plain_path(std::string_view text) {
  constexpr std::string_view kSpecialToNginx = "\"'\\$;{}";
  return std::ranges::none_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || kSpecialToNginx.find(c) != std::string_view::npos;
  });
}

}  // namespace secbeat::agent
