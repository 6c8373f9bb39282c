#include "utf8.hpp"

namespace secbeat::engine {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) noexcept { return static_cast<unsigned char>(text[i]); }

bool continues(std::string_view text, std::size_t i) noexcept {
  return i < text.size() && (byte_at(text, i) & 0xC0U) == 0x80U;
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  const unsigned lead = byte_at(text, 0);
  if (lead < 0x80U) return 1;
  if (lead < 0xC2U || lead > 0xF4U || !continues(text, 1)) return 0;
  if (lead < 0xE0U) return 2;
  const unsigned second = byte_at(text, 1);
  if (!continues(text, 2)) return 0;
  if (lead < 0xF0U) {
    const bool overlong = lead == 0xE0U && second < 0xA0U;
    const bool surrogate = lead == 0xEDU && second >= 0xA0U;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = lead == 0xF0U && second < 0x90U;
  const bool beyond = lead == 0xF4U && second >= 0x90U;
  return overlong || beyond || !continues(text, 3) ? 0 : 4;
}

std::string repaired_utf8(std::string_view text, std::size_t limit) {
  std::string repaired;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view piece = length == 0 ? kReplacementCharacter : text.substr(0, length);
    if (repaired.size() + piece.size() > limit) break;
    repaired += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return repaired;
}

}  // namespace secbeat::engine
