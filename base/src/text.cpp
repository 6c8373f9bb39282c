#include "secbeat/base/text.hpp"

#include <openssl/crypto.h>

namespace secbeat {
namespace {

void add_escaped(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 0xFU];
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  std::string result;
  for (const char c : text) {
    if (result.size() >= kLongest) return result + "…";
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      add_escaped(result, c);
    } else {
      result += c;
    }
  }
  return result;
}

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {.bytes = 1, .code = lead, .valid = true};
  constexpr Character kNone{};
  if (lead < 0xC2 || lead > 0xF4) return kNone;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length > text.size()) return kNone;
  char32_t code = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return kNone;
    code = code << 6U | (byte(i) & 0x3FU);
  }
  const bool is_overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (is_overlong || is_surrogate || code > 0x10FFFF) return kNone;
  return {.bytes = length, .code = code, .valid = true};
}

bool steers(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) ||          // controls
         code == 0x061C || (code >= 0x200B && code <= 0x200F) ||  // invisible, and marks of direction
         (code >= 0x2028 && code <= 0x202E) ||                    // line breaks, embedded directions
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||  // invisible, isolated directions
         (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);  // annotations, tags
}

std::string harmless(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view bytes = text.substr(0, character.bytes);
    if (character.valid && !steers(character.code)) {
      out += bytes;
    } else {
      for (const char c : bytes) add_escaped(out, c);
    }
    text.remove_prefix(bytes.size());
  }
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace secbeat
