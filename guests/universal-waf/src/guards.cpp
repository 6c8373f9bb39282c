#include "guards.hpp"

#include "regex.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kMostLiterals = 4000;  // of one rule

// Longer is rarer, up to what the index looks at; many alternatives, and short ones, are found in most requests.
uint32_t quality_of(size_t shortest, uint32_t count) {
  constexpr size_t kEnough = 8;
  uint32_t quality = static_cast<uint32_t>(shortest < kEnough ? shortest : kEnough) * 8;
  for (; count > 1; count /= 4) quality -= quality > 1 ? 1 : 0;
  return quality;
}

size_t shortest_of(const Guard& guard) {
  size_t shortest = ~size_t{0};
  for (const GuardLiteral& literal : guard.literals) {
    if (literal.text.size() < shortest) shortest = literal.text.size();
  }
  return shortest;
}

StringView longest_part(const Glob& glob) {
  StringView longest = "";
  for (uint32_t i = 0; i < glob.count; ++i) {
    if (glob.parts[i].size() > longest.size()) longest = glob.parts[i];
  }
  return longest;
}

Guard guard_of_test(const RuleSet& rules, const Test& test, Arena& temporary) {
  Guard guard;
  const Scopes scopes = rules.targets[test.target].scopes;
  if (test.pattern_count == 0 && !test.has_networks) return guard;
  for (uint32_t i = 0; i < test.pattern_count; ++i) {
    const Pattern& pattern = test.patterns[i];
    if (pattern.kind == Pattern::Kind::kRegex) {
      if (pattern.regex->literal_count == 0) return guard;
      for (uint32_t k = 0; k < pattern.regex->literal_count; ++k)
        guard.literals.push(temporary, {pattern.regex->literals[k], scopes});
      continue;
    }
    const StringView literal = longest_part(pattern.glob);
    if (literal.empty()) return guard;
    guard.literals.push(temporary, {literal, scopes});
  }
  if (scopes == 0 && !guard.literals.empty()) return guard;  // no pass looks at this field
  guard.found = guard.literals.size() <= kMostLiterals;
  constexpr size_t kNetworkCounts = 3;  // as much as a literal of this length
  size_t shortest = shortest_of(guard);
  if (test.has_networks && shortest > kNetworkCounts) shortest = kNetworkCounts;
  guard.quality = quality_of(shortest, guard.literals.size());
  constexpr uint32_t kMethodIsCommon = 4;
  if (scopes == kInMethod) guard.quality = kMethodIsCommon;
  return guard;
}

Guard any_of(const RuleSet& rules, const Condition& condition, Arena& temporary) {
  Guard all;
  all.found = true;
  all.quality = ~uint32_t{0};
  for (const Condition* one = condition.first; one != nullptr; one = one->next) {
    const Guard guard = guard_of(rules, *one, temporary);
    if (!guard.found) return {};
    for (const GuardLiteral& literal : guard.literals) all.literals.push(temporary, literal);
    if (guard.quality < all.quality) all.quality = guard.quality;
  }
  all.found = all.literals.size() <= kMostLiterals;
  return all;
}

}  // namespace

Guard guard_of(const RuleSet& rules, const Condition& condition, Arena& temporary) {
  Guard best;
  switch (condition.kind) {
    case Condition::Kind::kTest:
      return guard_of_test(rules, rules.tests[condition.test], temporary);
    case Condition::Kind::kNot:
      return best;
    case Condition::Kind::kAny:
      return any_of(rules, condition, temporary);
    case Condition::Kind::kAll:
      for (const Condition* one = condition.first; one != nullptr; one = one->next) {
        const Guard guard = guard_of(rules, *one, temporary);
        if (guard.found && (!best.found || guard.quality > best.quality)) best = guard;
      }
      return best;
  }
  return best;
}

}  // namespace secbeat::waf
