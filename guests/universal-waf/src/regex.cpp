#include "regex.hpp"

#include "regex_automaton.hpp"
#include "regex_syntax.hpp"

namespace secbeat::waf {

bool Dfa::matches(StringView text) const {
  uint32_t state = 0;
  for (const char c : text) {
    state = next[state * classes + class_of[static_cast<unsigned char>(c)]];
    if (state >= kDead) return state == kAccept;
  }
  return next[state * classes + classes - 1] == kAccept;
}

const Dfa* compile_regex(StringView text, RegexBudget& budget, Arena& kept, Arena& temporary, RegexFault& fault) {
  const RegexNode* const tree = parse_regex(text, temporary, fault);
  if (tree == nullptr) return nullptr;
  if (budget.workspace == nullptr) budget.workspace = temporary.make<RegexWorkspace>();
  auto* const dfa = kept.make<Dfa>();
  if (!Determinizer(*budget.workspace, budget).build(*tree, *dfa, kept, fault)) return nullptr;
  find_regex_literals(*tree, kept, *dfa);
  return dfa;
}

}  // namespace secbeat::waf
