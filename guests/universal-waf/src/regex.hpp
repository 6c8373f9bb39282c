// Regular expressions of RE2's syntax (a subset: docs/rules.md), compiled to a table that takes one look for each byte
// of a value, whatever the value is. What the tables may cost is bounded where they are built.
#pragma once

#include "memory.hpp"
#include "text.hpp"

namespace secbeat::waf {

// A deterministic automaton. State 0 is the start, kAccept ends the search.
struct Dfa {
  static constexpr uint16_t kAccept = 0xFFFF;
  static constexpr uint16_t kDead = 0xFFFE;  // nothing that follows can match
  uint8_t class_of[256] = {};
  uint32_t classes = 0;            // with the one that stands for the end of the text, which is the last
  const uint16_t* next = nullptr;  // states × classes
  StringView literals[16] = {};    // every value that matches holds one of these; none: nobody knows
  uint32_t literal_count = 0;

  // Whether the expression matches somewhere in `text`, which is lower case.
  [[nodiscard]] bool matches(StringView text) const;
};

struct RegexWorkspace;

// What all expressions of a document may take together.
struct RegexBudget {
  uint32_t table_bytes = 3U << 20U;
  uint32_t steps = 40'000'000;  // of building
  RegexWorkspace* workspace = nullptr;
};

struct RegexFault {
  uint32_t at = 0;  // an offset into the expression
  StringView what;
  bool about_all = false;  // not about a place
};

// Null with a fault.
const Dfa* compile_regex(StringView text, RegexBudget& budget, Arena& kept, Arena& temporary, RegexFault& fault);

}  // namespace secbeat::waf
