// Decides requests by a set of rules.
//
// A request's texts are passed once (literal_index.hpp), which leaves the few rules that may hold; those are evaluated
// in the order in which they win, and the first that holds decides. What one request may cost is bounded: one that is
// made so that hundreds of rules have to be looked at in a large body is decided by the strictest action that a rule
// has.
#pragma once

#include <secbeat/guest.hpp>

#include "fields.hpp"
#include "literal_index.hpp"
#include "network_index.hpp"
#include "rules.hpp"

namespace secbeat::waf {

// The rule named by a decision that no rule made.
inline constexpr StringView kWorkLimit = "universal-waf:work-limit";

class Matcher {
 public:
  // `scratch` is for each request; what is kept goes to `kept`. False where a limit of the whole set is exceeded;
  // `wrong` says which.
  bool configure(const RuleSet& rules, Arena& kept, Arena& temporary, Arena* scratch, StringView& wrong);

  guest::Decision decide(const guest::Request& request);
  [[nodiscard]] bool needs_body() const { return fields_.needs_body(); }
  // Of the last request: what was passed and compared.
  [[nodiscard]] uint64_t work() const { return fields_.work(); }

 private:
  struct Memo {
    uint32_t epoch = 0;
    uint32_t network_epoch = 0;  // in which the address was in one of the test's networks
    bool holds = false;
  };

  bool sort_out_guards(Arena& kept, Arena& temporary, StringView& wrong);
  void find_candidates(const guest::Request& request);
  void pass(const Value& value, Scopes scopes);
  [[nodiscard]] guest::Decision first_that_holds(const guest::Request& request);
  [[nodiscard]] guest::Decision over_the_limit() const;
  [[nodiscard]] bool over_limit() const;

  bool holds(const Condition& condition);
  bool holds(uint32_t test);
  bool test_holds(const Test& test);
  bool value_satisfies(const Test& test, const Value& value);
  bool matches(const Pattern& pattern, const Value& value);
  bool matches(const Pattern& pattern, StringView text);

  const RuleSet* rules_ = nullptr;
  Fields fields_;
  LiteralIndex literals_;
  NetworkIndex networks_;
  BitSet always_;                    // rules that every request has to be asked about
  BitSet candidates_;                // of this request
  Memo* memos_ = nullptr;            // of tests
  uint32_t* transformed_ = nullptr;  // targets whose values are passed
  uint32_t transformed_count_ = 0;
  uint32_t epoch_ = 0;
  guest::Verdict strictest_ = guest::Verdict::kAllow;
};

// Whether the whole value is as the glob says. Linear in the value.
bool glob_matches(const Glob& glob, StringView value);

}  // namespace secbeat::waf
