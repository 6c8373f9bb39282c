#include "unicode.hpp"

namespace secbeat::waf {
namespace {

// Four hexadecimal digits behind the "\u" at the start of `text`.
bool unit_of(StringView text, uint32_t& unit) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return false;
  unit = 0;
  for (size_t i = 2; i < 6; ++i) {
    const int digit = guest::hex_digit(text[i]);
    if (digit < 0) return false;
    unit = unit * 16 + static_cast<uint32_t>(digit);
  }
  return true;
}

bool is_tail(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

}  // namespace

size_t utf8_length(StringView text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_tail(text[i])) return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool too_long = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool too_high = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return too_long || too_high ? 0 : length;
}

size_t write_utf8(uint32_t code, char* to) {
  const auto byte = [](uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (code < 0x80) return to[0] = byte(code), 1;
  if (code < 0x800) {
    to[0] = byte(0xC0U | code >> 6U);
    to[1] = byte(0x80U | (code & 0x3FU));
    return 2;
  }
  if (code < 0x10000) {
    to[0] = byte(0xE0U | code >> 12U);
    to[1] = byte(0x80U | (code >> 6U & 0x3FU));
    to[2] = byte(0x80U | (code & 0x3FU));
    return 3;
  }
  to[0] = byte(0xF0U | code >> 18U);
  to[1] = byte(0x80U | (code >> 12U & 0x3FU));
  to[2] = byte(0x80U | (code >> 6U & 0x3FU));
  to[3] = byte(0x80U | (code & 0x3FU));
  return 4;
}

size_t json_escape(StringView text, uint32_t& code) {
  if (text.size() < 2) return 0;
  constexpr StringView kNames = "\"\\/bfnrt";
  constexpr StringView kMeanings = "\"\\/\b\f\n\r\t";
  if (const size_t at = kNames.find(text[1]); at != StringView::kNotFound) {
    code = static_cast<unsigned char>(kMeanings[at]);
    return 2;
  }
  constexpr uint32_t kReplacement = 0xFFFD;
  uint32_t low = 0;
  if (!unit_of(text, code)) return 0;
  if (code < 0xD800 || code > 0xDFFF) return 6;
  if (code < 0xDC00 && unit_of(text.from(6), low) && low >= 0xDC00 && low <= 0xDFFF) {
    code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
    return 12;
  }
  code = kReplacement;
  return 6;
}

}  // namespace secbeat::waf
