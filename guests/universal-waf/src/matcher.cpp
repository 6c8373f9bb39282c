#include "matcher.hpp"

#include "guards.hpp"
#include "regex.hpp"

namespace secbeat::waf {
namespace {

using guest::Decision;
using guest::Verdict;

// About a fifth of the CPU time that a node gives a call by default.
constexpr uint64_t kMostWork = 4'000'000;
constexpr uint32_t kMostUnguarded = 500;

Verdict verdict_of(Action action) {
  switch (action) {
    case Action::kAllow:
      return Verdict::kAllow;
    case Action::kBlock:
      return Verdict::kBlock;
    case Action::kRateLimit:
      return Verdict::kRateLimit;
    case Action::kLog:
      return Verdict::kLog;
  }
  return Verdict::kAllow;
}

// What a transformed field needs to be passed for.
bool is_passed(const Target& target) { return target.transformed && target.scopes != 0; }

}  // namespace

bool glob_matches(const Glob& glob, StringView value) {
  if (glob.count == 0) return !glob.at_start || value.empty();
  uint32_t part = 0;
  uint32_t end = glob.count;
  if (glob.at_start) {
    if (!starts_with(value, glob.parts[0])) return false;
    if (glob.count == 1 && glob.at_end) return value.size() == glob.parts[0].size();
    value = value.from(glob.parts[0].size());
    part = 1;
  }
  if (glob.at_end && part < end) {
    const StringView last = glob.parts[end - 1];
    if (!ends_with(value, last)) return false;
    value = value.first(value.size() - last.size());
    --end;
  }
  for (; part < end; ++part) {
    const size_t at = find(value, glob.parts[part]);
    if (at == StringView::kNotFound) return false;
    value = value.from(at + glob.parts[part].size());
  }
  return true;
}

bool Matcher::configure(const RuleSet& rules, Arena& kept, Arena& temporary, Arena* scratch, StringView& wrong) {
  rules_ = &rules;
  fields_.configure(rules, kept, scratch);
  networks_.build(rules, kept);
  memos_ = kept.take_array<Memo>(rules.tests.size());
  for (uint32_t i = 0; i < rules.tests.size(); ++i) memos_[i] = {};
  for (const Rule& rule : rules.rules) {
    if (rule.action != Action::kAllow && strictest_ == Verdict::kAllow) strictest_ = verdict_of(rule.action);
  }
  transformed_ = kept.take_array<uint32_t>(rules.targets.size());
  for (uint32_t i = 0; i < rules.targets.size(); ++i) {
    if (is_passed(rules.targets[i])) transformed_[transformed_count_++] = i;
  }
  return sort_out_guards(kept, temporary, wrong);
}

bool Matcher::sort_out_guards(Arena& kept, Arena& temporary, StringView& wrong) {
  always_.make(kept, rules_->rules.size());
  candidates_.make(kept, rules_->rules.size());
  uint32_t unguarded = 0;
  for (uint32_t i = 0; i < rules_->rules.size(); ++i) {
    const Guard guard = guard_of(*rules_, *rules_->rules[i].condition, temporary);
    if (!guard.found) {
      always_.add(i);
      if (++unguarded <= kMostUnguarded) continue;
      wrong =
          "more than 500 rules have no literal text that a request must contain, so that each request has to be held "
          "against all of them: give them a condition with a pattern";
      return false;
    }
    for (const GuardLiteral& literal : guard.literals) literals_.add(literal, i, temporary);
  }
  literals_.build(kept, temporary);
  return true;
}

Decision Matcher::decide(const guest::Request& request) {
  if (rules_->rules.empty()) return guest::allow();
  if (++epoch_ == 0) {
    for (uint32_t i = 0; i < rules_->tests.size(); ++i) memos_[i] = {};
    epoch_ = 1;
  }
  fields_.begin(request);
  candidates_.copy_from(always_);
  find_candidates(request);
  return first_that_holds(request);
}

void Matcher::pass(const Value& value, Scopes scopes) {
  literals_.pass(value.raw, scopes, 0, candidates_);
  if (!value.decodes_to_more()) return;
  // Both are the same up to the first '%'.
  literals_.pass(value.decoded, scopes, value.raw.find('%'), candidates_);
}

void Matcher::find_candidates(const guest::Request& request) {
  literals_.begin();
  if (!literals_.empty()) {
    pass(fields_.method(), kInMethod);
    pass(fields_.uri(), kInUri);
    for (const HeaderText& header : fields_.headers()) pass(header.value, kInHeaders);
    const bool same = fields_.body().raw.data() == fields_.json_text().raw.data();
    pass(fields_.body(), same ? kInBody | kInJson : kInBody);
    if (!same) pass(fields_.json_text(), kInJson);
  }
  for (uint32_t i = 0; i < transformed_count_; ++i) {
    const Values values = fields_.values(transformed_[i]);
    for (uint32_t k = 0; k < values.count; ++k) {
      literals_.pass(values.first[k].raw, rules_->targets[transformed_[i]].scopes, 0, candidates_);
    }
  }
  networks_.find(request.source_ip(), [this](uint32_t test) {
    memos_[test].network_epoch = epoch_;
    candidates_.add(rules_->tests[test].rule);
  });
}

bool Matcher::over_limit() const { return fields_.overflowed() || fields_.work() > kMostWork; }

Decision Matcher::over_the_limit() const {
  return {strictest_, kWorkLimit, "So many rules had to be looked at that the limit of work was reached", 0};
}

Decision Matcher::first_that_holds(const guest::Request& request) {
  for (size_t word = 0; word < candidates_.words(); ++word) {
    for (uint64_t bits = candidates_.word(word); bits != 0; bits &= bits - 1) {
      const Rule& rule = rules_->rules[word * 64 + static_cast<size_t>(__builtin_ctzll(bits))];
      if (request.now_unix_ms() >= rule.expires_unix_ms) continue;
      const bool decided = holds(*rule.condition);
      if (over_limit()) return over_the_limit();
      if (decided) return {verdict_of(rule.action), rule.id, rule.message, 0};
    }
  }
  return over_limit() ? over_the_limit() : guest::allow();
}

bool Matcher::holds(const Condition& condition) {
  switch (condition.kind) {
    case Condition::Kind::kTest:
      return holds(condition.test);
    case Condition::Kind::kNot:
      return !holds(*condition.first);
    case Condition::Kind::kAll:
      for (const Condition* one = condition.first; one != nullptr; one = one->next) {
        if (!holds(*one)) return false;
      }
      return true;
    case Condition::Kind::kAny:
      for (const Condition* one = condition.first; one != nullptr; one = one->next) {
        if (holds(*one)) return true;
      }
      return false;
  }
  return false;
}

bool Matcher::holds(uint32_t test) {
  Memo& memo = memos_[test];
  if (memo.epoch != epoch_) {
    memo.epoch = epoch_;
    memo.holds = test_holds(rules_->tests[test]);
  }
  return memo.holds;
}

bool Matcher::test_holds(const Test& test) {
  const Values values = fields_.values(test.target);
  if (values.count == 0 || values.count < test.min_count || values.count > test.max_count) return false;
  for (uint32_t i = 0; i < values.count; ++i) {
    if (value_satisfies(test, values.first[i])) return true;
    if (over_limit()) return false;
  }
  return false;
}

bool Matcher::value_satisfies(const Test& test, const Value& value) {
  fields_.charge(4);
  if (value.raw.size() < test.min_length || value.raw.size() > test.max_length) return false;
  if (test.has_networks && memos_[&test - rules_->tests.begin()].network_epoch == epoch_) return true;
  if (test.pattern_count == 0) return !test.has_networks;
  for (uint32_t i = 0; i < test.pattern_count; ++i) {
    if (matches(test.patterns[i], value)) return true;
  }
  return false;
}

bool Matcher::matches(const Pattern& pattern, const Value& value) {
  return matches(pattern, value.raw) || (value.decodes_to_more() && matches(pattern, value.decoded));
}

bool Matcher::matches(const Pattern& pattern, StringView text) {
  if (pattern.kind == Pattern::Kind::kRegex) {
    fields_.charge(8 + text.size());
    return pattern.regex->matches(text);
  }
  constexpr size_t kBytesAtOnce = 8;  // about what a search compares in the time of one step elsewhere
  fields_.charge(4 + text.size() / kBytesAtOnce);
  return glob_matches(pattern.glob, text);
}

}  // namespace secbeat::waf
