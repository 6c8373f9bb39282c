#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arrivals.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {
namespace {

using agent::RuleJson;
using ::testing::AllOf;
using ::testing::HasSubstr;

RuleJson rule_with(const RuleJson& more = RuleJson::object()) {
  RuleJson rule{{"id", "r1"}, {"field", "URI"}, {"pattern", "/x*"}, {"action", "Block"}};
  rule.update(more);
  return rule;
}
Error refusal(const RuleJson& json) {
  const auto read = read_new_rule(json, {});
  return read ? Error{} : read.error();
}

TEST(NewRule, APersonsRuleStaysAsItIs) {
  const auto read = read_new_rule(rule_with(), {}).value();
  EXPECT_EQ(read.rule, rule_with());
  EXPECT_TRUE(read.deploys);
}

TEST(NewRule, AGeneratedRuleHasAnEnd) {
  EXPECT_EQ(read_new_rule(rule_with({{"confidence", 0.9}}), {}).value().rule["ttl_seconds"], 3600);
  EXPECT_EQ(read_new_rule(rule_with({{"confidence", 1}, {"ttl_seconds", 5U}}), {}).value().rule["ttl_seconds"], 5);
  const auto dated = read_new_rule(rule_with({{"confidence", 0.9}, {"expires_at", "2030-01-01T00:00:00Z"}}), {});
  EXPECT_FALSE(dated.value().rule.contains("ttl_seconds"));
  const RuleLimits endless{.default_ttl = std::chrono::seconds(0)};
  EXPECT_FALSE(read_new_rule(rule_with({{"confidence", 0.9}}), endless).value().rule.contains("ttl_seconds"));
}

TEST(NewRule, DeployIsNoPartOfTheRule) {
  const auto read = read_new_rule(rule_with({{"deploy", false}}), {}).value();
  EXPECT_FALSE(read.deploys);
  EXPECT_EQ(read.rule, rule_with());
  EXPECT_THAT(refusal(rule_with({{"deploy", "no"}})).message, HasSubstr("key \"deploy\""));
}

TEST(NewRule, LowConfidenceIsRefusedWithBothNumbers) {
  const Error error = refusal(rule_with({{"confidence", 0.5}}));
  EXPECT_EQ(error.code, ErrorCode::kLowConfidence);
  EXPECT_THAT(error.message, AllOf(HasSubstr("rule \"r1\""), HasSubstr("0.5"), HasSubstr("0.8")));
}

TEST(NewRule, WhatCannotBeMeantIsRefused) {
  for (const RuleJson& more :
       {RuleJson{{"confidence", "high"}}, RuleJson{{"confidence", -0.1}}, RuleJson{{"confidence", 1.1}},
        RuleJson{{"confidence", nullptr}}, RuleJson{{"confidence", true}}, RuleJson{{"evidence", 7}},
        RuleJson{{"evidence", std::string(1025, 'e')}}, RuleJson{{"origin", std::string(129, 'o')}},
        RuleJson{{"origin", "two\nlines"}}, RuleJson{{"id", "a b"}}, RuleJson{{"id", "a\nNew dynamic rule: b"}},
        RuleJson{{"ttl_seconds", -1}}, RuleJson{{"ttl_seconds", 5U}, {"expires_at", 7}}}) {
    const Error error = refusal(rule_with(more));
    EXPECT_EQ(error.code, ErrorCode::kBadRule) << more;
    EXPECT_THAT(error.message, HasSubstr("key \"")) << more;
    EXPECT_EQ(error.message.find('\n'), std::string::npos);
  }
  for (const RuleJson& json : {RuleJson(7), RuleJson::array(), RuleJson(), RuleJson("id")}) {
    EXPECT_EQ(refusal(json).code, ErrorCode::kBadRule) << json;
  }
}

TEST(CheckRules, SaysWhatTheModuleSays) {
  EXPECT_TRUE(check_rules(agent::text_of_rules({{"rules", RuleJson::array({rule_with()})}})));
  const auto refused = check_rules(R"({"rules":[{"id":"r1","field":"Url","pattern":"x","action":"Block"}]})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("The module refuses its configuration: "), HasSubstr("r1"), HasSubstr("field")));
}

TEST(Arrivals, LetsSoManyComeWithinAMinute) {
  using std::chrono::seconds;
  Arrivals arrivals(2);
  const SteadyTime begin{};
  EXPECT_EQ(arrivals.take(begin), 0U);
  EXPECT_EQ(arrivals.take(begin + seconds(10)), 0U);
  EXPECT_EQ(arrivals.take(begin + seconds(20)), 40U);
  EXPECT_EQ(arrivals.take(begin + seconds(60)), 0U);
  EXPECT_EQ(arrivals.take(begin + seconds(61)), 9U);
  Arrivals unlimited(0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(unlimited.take(begin), 0U);
}

}  // namespace
}  // namespace secbeat::orchestrator
