// The forms of a value that attackers hide behind, under the names that ModSecurity and Coraza give them.
#pragma once

#include "memory.hpp"
#include "rules.hpp"
#include "text.hpp"

namespace secbeat::waf {

// What `transformation` makes of a lower-case text: lower case and never longer. In `arena` with padding behind it, or
// `text` itself where nothing changes; empty where the arena is full.
StringView apply(Transformation transformation, StringView text, Arena& arena);

}  // namespace secbeat::waf
