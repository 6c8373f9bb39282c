// UTF-8 in and out of guests: what is not UTF-8 becomes U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace secbeat::engine {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the character that `text` begins with: 1 to 4, or 0 where it begins with no valid UTF-8
// (overlong forms, surrogates and what is beyond U+10FFFF are not valid). REQUIRES: !text.empty()
std::size_t utf8_length(std::string_view text) noexcept;

// `text` with a U+FFFD for each byte that is part of no character; at most `limit` bytes, cut between characters.
std::string repaired_utf8(std::string_view text, std::size_t limit);

}  // namespace secbeat::engine
