// From the text of a rule document (docs/rules.md) to a set of rules, or to what is wrong with it.
#pragma once

#include "faults.hpp"
#include "rules.hpp"

namespace secbeat::waf {

inline constexpr uint32_t kMostRules = 10'000;  // what a node lists

// An empty text is a document without rules. Keeps in `kept` what the rules need; `temporary` may be forgotten
// afterwards. Where there are faults, the set is of no use.
void read_rule_document(StringView text, Arena& kept, Arena& temporary, RuleSet& rules, Faults& faults);

}  // namespace secbeat::waf
