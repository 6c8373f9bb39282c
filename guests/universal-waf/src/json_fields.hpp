// The values of a JSON body, read once for all pointers that rules name.
//
// The reader is lenient: it takes what many servers take, and of a body that is cut or broken the values before that
// place count. Keys compare without regard to case, as everything does.
#pragma once

#include "memory.hpp"
#include "rules.hpp"
#include "text.hpp"

namespace secbeat::waf {

// Every escape of JSON replaced, wherever it stands; what is no escape stays. Lower case.
StringView without_json_escapes(StringView folded_text, Arena& arena);

// A text, number or word of the body, and under which pointers it stands.
struct JsonLeaf {
  StringView text;  // without escapes
  uint64_t pointers;
};

// The leaves of a lower-case body that stand under a pointer. Time is linear in the body for a given set of pointers.
void read_json_leaves(StringView body, const Array<JsonPointer>& pointers, Arena& arena, Array<JsonLeaf>& leaves);

}  // namespace secbeat::waf
