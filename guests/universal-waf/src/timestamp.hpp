// Points in time as rules write them.
#pragma once

#include "text.hpp"

namespace secbeat::waf {

// "2026-11-27T04:00:00Z", also with a fraction of a second or an offset such as "+01:00" (RFC 3339).
bool parse_timestamp(StringView text, uint64_t& unix_ms);

}  // namespace secbeat::waf
