// Texts of guests for logs: one line, and nothing in it that acts on who reads it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace secbeat::engine {

// At most `limit` bytes of `text` in the place of what is in `into`, as one line that does nothing to a terminal: a
// U+FFFD for each byte that is part of no character, and for each character that steers().
void put_one_line(std::string_view text, std::size_t limit, std::string& into);

}  // namespace secbeat::engine
