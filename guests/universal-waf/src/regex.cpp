#include "regex.hpp"

namespace secbeat::waf {

bool Dfa::matches(StringView) const { return false; }

const Dfa* compile_regex(StringView, RegexBudget&, Arena&, Arena&, RegexFault& fault) {
  fault = {0, "regular expressions are not supported yet", true};
  return nullptr;
}

}  // namespace secbeat::waf
