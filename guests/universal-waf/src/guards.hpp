// What has to be in a request before a rule can hold: literals of which at least one is found by the one pass over the
// request's texts (literal_index.hpp), or networks. A rule without either is evaluated for every request.
#pragma once

#include "memory.hpp"
#include "rules.hpp"

namespace secbeat::waf {

struct GuardLiteral {
  StringView text;
  Scopes scopes;
};

struct Guard {
  bool found = false;            // else: nothing is known, the rule has to be evaluated
  uint32_t quality = 0;          // of several guards the highest is the best
  Array<GuardLiteral> literals;  // none of them: networks alone
};

Guard guard_of(const RuleSet& rules, const Condition& condition, Arena& temporary);

}  // namespace secbeat::waf
