// UTF-8, and the escapes that stand for characters.
#pragma once

#include "text.hpp"

namespace secbeat::waf {

// How many bytes the first character has; 0 where it is none. REQUIRES: text is not empty.
size_t utf8_length(StringView text);
// Writes at most 4 bytes and says how many.
size_t write_utf8(uint32_t code, char* to);
// Of a text that begins with a backslash: how long the escape is and what it stands for; a pair of surrogates is one
// escape, a lone one U+FFFD. 0 where it is no escape of JSON.
size_t json_escape(StringView text, uint32_t& code);

}  // namespace secbeat::waf
