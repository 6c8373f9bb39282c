// The document of rules, as the node edits it: the configuration of the module universal-waf. What an edit does not
// touch stays as it was written, in its order; only spaces change.
//
// A value type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/rule_text.hpp"

namespace secbeat::agent {

// The module whose configuration is the document of rules.
inline constexpr std::string_view kRulesModule = "universal-waf";

class RuleDocument {
 public:
  // Of the text of a configuration; an empty one is a document without rules. kBadJson, kBadRule.
  static Result<RuleDocument> read(std::string_view text);

  [[nodiscard]] std::size_t size() const { return rules().size(); }
  [[nodiscard]] const RuleJson& rules() const { return json_["rules"]; }
  [[nodiscard]] const RuleJson* find(std::string_view id) const;  // null: there is none
  [[nodiscard]] const RuleJson& json() const { return json_; }
  [[nodiscard]] std::string text() const { return text_of_rules(json_); }

  // REQUIRES: the rule has an id that is_rule_id().
  Result<void> add(RuleJson rule);                           // at the end; kRuleExists
  Result<void> replace(std::string_view id, RuleJson rule);  // in its place; kUnknownRule, kBadRule for another id
  Result<void> remove(std::string_view id);                  // kUnknownRule

  // Takes out the rules that have ended by `now`; their ids.
  std::vector<std::string> drop_ended(SystemTime now);

 private:
  RuleJson json_ = {{"rules", RuleJson::array()}};
};

// What a client compares: the hash of what a resource says, in quotes.
std::string etag_of(std::string_view text);
// Of one rule, whatever stands around it.
std::string etag_of_rule(const RuleJson& rule);
// Whether the header If-Match lets a change through: "*", or one of its tags is this one. Weak tags never match (RFC
// 9110).
bool is_matched(std::string_view if_match, std::string_view etag);

}  // namespace secbeat::agent
