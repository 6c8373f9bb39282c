// What differs between two documents of rules, by rule; and two people's changes of one document put together.
//
// Thread safety: free functions without shared state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "terminal/terminal.hpp"

namespace secbeat::cli {

struct ChangedRule {
  std::string id;
  std::vector<std::string> keys;  // that differ, in the new rule's order, then those that are gone
};

struct RuleDiff {
  std::vector<std::string> added;  // in the new document's order
  std::vector<std::string> removed;
  std::vector<ChangedRule> changed;
  std::vector<std::string> document_keys;  // beside "rules"
  bool reordered = false;                  // rules that both have stand in another order, which may decide

  [[nodiscard]] bool empty() const {
    return added.empty() && removed.empty() && changed.empty() && document_keys.empty() && !reordered;
  }
};

// REQUIRES: both came out of parse_rules(). "created_at" that only one side has is no difference: the node adds it.
RuleDiff diff_rules(const Json& before, const Json& after);

Json to_json(const RuleDiff& diff);
// A line for each difference: "+ id", "- id", "~ id: keys".
std::string render(const RuleDiff& diff);

// `theirs` with what `mine` changed of `base`; nothing where both changed the same thing, which `conflicts` then names.
std::optional<Json> merge_rules(const Json& base, const Json& mine, const Json& theirs,
                                std::vector<std::string>& conflicts);

}  // namespace secbeat::cli
