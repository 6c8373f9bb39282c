// Reads the conditions of rules: fields, patterns, bounds, and what ties them together.
#pragma once

#include "faults.hpp"
#include "field_names.hpp"
#include "json_reader.hpp"
#include "rules.hpp"

namespace secbeat::waf {

struct RegexBudget;

class ConditionReader {
 public:
  ConditionReader(RuleSet& rules, Arena& kept, Arena& temporary, RegexBudget& budget, Faults& faults)
      : rules_(rules),
        kept_(kept),
        temporary_(temporary),
        budget_(budget),
        faults_(faults),
        targets_(rules, kept, temporary) {}

  // Of a rule, whose keys are those of a condition and others; `is_rule_key` knows the others. Null with a fault.
  using IsRuleKey = bool (*)(StringView key);
  Condition* read_rule(const JsonValue& object, uint32_t rule, IsRuleKey is_rule_key);

 private:
  enum class Match : uint8_t { kDefault, kGlob, kContains, kPrefix, kEquals, kRegex, kCidr };

  Condition* read(const JsonValue& object, uint32_t depth, IsRuleKey is_rule_key);
  Condition* read_one(const JsonValue& object, const JsonValue& deciding, uint32_t depth);
  Condition* read_group(const JsonValue& list, Condition::Kind kind, uint32_t depth);
  Condition* read_not(const JsonValue& object, uint32_t depth);
  Condition* read_test(const JsonValue& object);
  Condition* with_requires(Condition* condition, const JsonValue& required);
  bool check_keys(const JsonValue& object, IsRuleKey is_rule_key);

  bool read_target(const JsonValue& field, const JsonValue* transformations, Test& test);
  bool read_transformations(const JsonValue& list, Target& target);
  bool read_patterns(const JsonValue& pattern, Match match, Test& test);
  bool read_pattern(const JsonValue& text, Match match, Test& test, Array<Pattern>& patterns);
  bool read_network(const JsonValue& text, Match match, Array<Network>& networks);
  bool read_regex(const JsonValue& text, Pattern& pattern);
  bool read_match(const JsonValue* match, FieldKind kind, Match& found);
  bool read_bounds(const JsonValue& object, Test& test);
  bool read_bound(const JsonValue* bound, uint32_t least, uint32_t& to);
  Glob glob_of(StringView text, Match match);

  Condition* finish_test(const Test& test);
  Condition* make(Condition::Kind kind);

  RuleSet& rules_;
  Arena& kept_;
  Arena& temporary_;
  RegexBudget& budget_;
  Faults& faults_;
  TargetTable targets_;
  uint32_t rule_ = 0;
  uint32_t conditions_ = 0;  // of this rule
  Array<Network> networks_;  // of the test that is being read
};

// A whole number that is not negative; false for anything else.
bool parse_count(const JsonValue& value, uint64_t most, uint64_t& number);

}  // namespace secbeat::waf
