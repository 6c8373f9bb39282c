// Text from outside, made fit to be shown.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>
#include <string_view>

namespace secbeat {

// For messages: control characters and bytes beyond ASCII as \xNN, at most 80 characters.
std::string printable(std::string_view text);

// Whether both are the same, in a time that depends on their lengths alone. For what must not be guessed bit by bit.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace secbeat
