// Text from outside, made fit to be shown.
//
// Thread safety: free functions without shared state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace secbeat {

// For messages: control characters and bytes beyond ASCII as \xNN, at most 80 characters.
std::string printable(std::string_view text);

// What a text begins with: a character of UTF-8 (RFC 3629), or one byte that begins none.
struct Character {
  std::size_t bytes = 1;
  char32_t code = 0;
  bool valid = false;
};
// REQUIRES: !text.empty().
Character first_character(std::string_view text);

// Whether a character does something to a terminal, a log or a reader instead of being seen: control characters of
// ASCII and of Unicode, line breaks, what is invisible, and marks that turn the direction of writing.
bool steers(char32_t code);

// For log lines: one line, whatever the text holds. What steers and what is no UTF-8 becomes \xNN, byte by byte; the
// rest stays as it is.
std::string harmless(std::string_view text);

// Whether both are the same, in a time that depends on their lengths alone. For what must not be guessed bit by bit.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace secbeat
