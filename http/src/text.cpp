#include "secbeat/http/text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/text.hpp"

namespace secbeat::http {
namespace {

// Bytes of the UTF-8 sequence that begins the text; 0: none does, or it is a control character.
std::size_t plain_sequence(std::string_view text) {
  const Character character = first_character(text);
  const bool is_control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0);
  return character.valid && !is_control ? character.bytes : 0;
}

}  // namespace

std::size_t plain_text_length(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t length = plain_sequence(text.substr(i));
    if (length == 0) break;
    i += length;
  }
  return i;
}

std::string shown(std::string_view text, std::size_t limit) {
  std::string out;
  std::size_t i = 0;
  while (i < text.size() && i < limit) {
    const std::size_t length = plain_sequence(text.substr(i));
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    } else {
      if (text[i] == '\\' || text[i] == '"') out += '\\';
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  if (i < text.size()) out += "...";
  return out;
}

}  // namespace secbeat::http
