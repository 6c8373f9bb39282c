// For tests: the SDK's text as the standard library's.
#pragma once

#include <string_view>

#include "secbeat/guest.hpp"

namespace secbeat::guest {

inline std::string_view std_view(StringView text) { return {text.data(), text.size()}; }

}  // namespace secbeat::guest
