#include "secbeat/fleet/rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::fleet {
namespace {

using ::testing::HasSubstr;

TEST(RuleDocumentsOfAFleet, SurviveBeingWrittenAndRead) {
  const EnteredRules entered{{{.id = "a:b", .rule = R"({"id":"a:b"})", .by = "ci"}}};
  EXPECT_EQ(entered_rules_from_json(to_json(entered)).value(), entered);
  const RuleEnds ends{{{.id = "a", .created_at = "", .expires_at = "2026-11-27T04:00:00Z"}}};
  EXPECT_EQ(rule_ends_from_json(to_json(ends)).value(), ends);
  const RuleCounts counts{.node = "node-1",
                          .blocks = 7,
                          .is_cut = true,
                          .rules = {{.id = "a", .blocks = 5, .logs = 1, .rate_limits = 0, .last_unix_ms = 3}}};
  EXPECT_EQ(rule_counts_from_json(to_json(counts)).value(), counts);
}

TEST(RuleDocumentsOfAFleet, WhatIsNoneIsRefusedWithItsPlace) {
  EXPECT_THAT(rule_counts_from_json(R"({"format":1,"node":"n","blocks":0,"is_cut":false,"rules":[{"id":"a"}]})")
                  .error()
                  .message,
              HasSubstr("rules.rules[0].blocks: missing"));
  EXPECT_FALSE(rule_counts_from_json(R"({"format":1,"node":"../n","blocks":0,"is_cut":false,"rules":[]})"));
  EXPECT_FALSE(rule_counts_from_json(R"({"format":1,"node":"n","blocks":-1,"is_cut":false,"rules":[]})"));
  EXPECT_FALSE(entered_rules_from_json(R"({"format":1,"rules":[{"id":7,"rule":"{}","by":""}]})"));
  EXPECT_FALSE(rule_ends_from_json("[[[[[[[[[["));
  EXPECT_FALSE(rule_ends_from_json(R"({"format":3,"told":[]})"));
}

TEST(RuleDocumentsOfAFleet, FullOnesCanBeRead) {
  const std::string id(kMaxRuleId, 'a');
  const std::uint64_t most = std::uint64_t{1} << 53U;
  RuleCounts counts{.node = std::string(128, 'n')};
  counts.rules.assign(kMaxRuleCounts, {id, most, most, most, most});
  EXPECT_TRUE(rule_counts_from_json(to_json(counts)));
  RuleEnds ends;
  ends.told.assign(kMaxRuleEnds, {id, "2026-11-27T04:00:00Z", "2026-11-27T04:00:00Z"});
  EXPECT_TRUE(rule_ends_from_json(to_json(ends)));
}

}  // namespace
}  // namespace secbeat::fleet
