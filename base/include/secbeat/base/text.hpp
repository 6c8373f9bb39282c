// Text from outside, made fit to be shown.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>
#include <string_view>

namespace secbeat {

// For messages: control characters and bytes beyond ASCII as \xNN, at most 80 characters.
std::string printable(std::string_view text);

}  // namespace secbeat
