// What a rule document may say, and how it is told what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "regex.hpp"
#include "testing.hpp"

namespace secbeat::waf {
namespace {

using testing::ConfiguredModule;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string fault_of(std::string_view document) { return ConfiguredModule(document).fault(); }

TEST(RuleDocument, MayBeEmpty) {
  EXPECT_EQ(fault_of(""), "");
  EXPECT_EQ(fault_of(" \n"), "");
  EXPECT_EQ(fault_of(R"({"rules":[]})"), "");
}

TEST(RuleDocument, IsToldWhereItIsNoJson) {
  EXPECT_EQ(fault_of("{\"rules\":\n  [}"), "line 2 column 4: expected a value");
  EXPECT_EQ(fault_of("{\"rules\":[]"), "line 1 column 12: expected ',' or '}'");
  EXPECT_EQ(fault_of("{\"rules\":[]} x"), "line 1 column 14: text behind the end of the document");
  EXPECT_EQ(fault_of("[]"), "line 1 column 1: expected an object: {\"rules\": […]}");
  EXPECT_THAT(fault_of(std::string(100, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(fault_of("{\"rules\":[\"\xff\"]}"), HasSubstr("UTF-8"));
}

TEST(RuleDocument, FaultsNameRuleKeyAndPlace) {
  EXPECT_EQ(fault_of(R"({"rules":[{"id":"a","field":"Uri","pattern":"x","action":"Block"}]})").substr(0, 62),
            "rule \"a\", key \"field\", line 1 column 29: \"Uri\": no such field;");
  EXPECT_EQ(fault_of(R"({"rules":[{"field":"URI","pattern":"x","action":"Stop"}]})"),
            "rule number 1, key \"id\", line 1 column 11: missing; "
            "rule number 1, key \"action\", line 1 column 49: expected Block, RateLimit, Log or Allow");
  EXPECT_EQ(fault_of(R"({"rules":[{"id":"a","field":"URI","patern":"x","action":"Block"}]})"),
            "rule \"a\", key \"patern\", line 1 column 35: no such key; a note of your own begins with \"x-\"");
}

TEST(RuleDocument, RefusesWhatWouldNotDoWhatItSeemsToSay) {
  const auto with = [](const std::string& rest) {
    return fault_of(R"({"rules":[{"id":"a","action":"Block",)" + rest + "}]}");
  };
  EXPECT_THAT(with(R"("field":"URI")"), HasSubstr("key \"pattern\""));
  EXPECT_THAT(with(R"("pattern":"x")"), HasSubstr("one of \"field\", \"all\", \"any\" and \"not\""));
  EXPECT_THAT(with(R"("field":"URI","pattern":"")"), HasSubstr("is empty"));
  EXPECT_THAT(with(R"("field":"URI","pattern":[])"), HasSubstr("list of 1 to 1,000"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","pattern":"y")"), HasSubstr("comes twice"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","max_length":-1)"), HasSubstr("whole number"));
  EXPECT_THAT(with(R"("field":"URI","min_length":5,"max_length":4)"), HasSubstr("above max_length"));
  EXPECT_THAT(with(R"("field":"URI","max_count":0)"), HasSubstr("from 1 on"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","ttl_seconds":60)"), HasSubstr("key \"ttl_seconds\""));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","expires_at":"tomorrow")"), HasSubstr("expected a time"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","requires":{"Url":"y"})"), HasSubstr("no such field"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","match":"like")"), HasSubstr("expected glob"));
  EXPECT_THAT(with(R"("field":"URI","pattern":"x","match":"cidr")"), HasSubstr("SourceIP"));
  EXPECT_THAT(with(R"("field":"SourceIP","pattern":"300.0.0.1")"), HasSubstr("no address"));
  EXPECT_THAT(with(R"("field":"Header","pattern":"x")"), HasSubstr("expected a name behind the colon"));
  EXPECT_THAT(with(R"("field":"JSON:a","pattern":"x")"), HasSubstr("JSON pointer"));
  EXPECT_THAT(with(R"("all":[])"), HasSubstr("list of conditions"));
  EXPECT_THAT(with(R"("all":[{"field":"URI","pattern":"x"}],"field":"URI")"), HasSubstr("only one of"));
  EXPECT_THAT(with(R"("not":{"field":"URI","pattern":"x","id":"b"})"), HasSubstr("no such key"));
}

TEST(RuleDocument, RefusesTwoRulesOfOneId) {
  EXPECT_THAT(fault_of(R"({"rules":[{"id":"a","field":"URI","pattern":"x","action":"Block"},
                                    {"id":"a","field":"URI","pattern":"y","action":"Log"}]})"),
              StartsWith("rule \"a\", key \"id\", line 2 column 43: another rule has it"));
}

// A document of so many rules, each with what `rest` says.
std::string rules_of(std::size_t count, const std::string& rest) {
  std::string rules;
  for (std::size_t i = 0; i < count; ++i) {
    rules +=
        (i > 0 ? "," : "") + std::string(R"({"id":"r)") + std::to_string(i) + R"(","action":"Block",)" + rest + "}";
  }
  return "{\"rules\":[" + rules + "]}";
}

TEST(RuleDocument, HasAtMost10000Rules) {
  const std::string rest = R"("field":"URI","pattern":"*/some/place*")";
  EXPECT_EQ(fault_of(rules_of(10'000, rest)), "");
  EXPECT_EQ(fault_of(rules_of(10'001, rest)), "key \"rules\", line 1 column 10: more than 10,000 rules");
}

TEST(RuleDocument, HasAtMost500RulesThatEachRequestIsHeldAgainst) {
  for (const std::string rest :
       {R"("field":"URI","min_length":9)", R"("not":{"field":"URI","pattern":"*/some/place*"})",
        R"("field":"URI","match":"regex","pattern":"[0-9]+")"}) {
    EXPECT_EQ(fault_of(rules_of(500, rest)), "") << rest;
    EXPECT_THAT(fault_of(rules_of(501, rest)), StartsWith("more than 500 rules have no literal text")) << rest;
  }
  EXPECT_EQ(fault_of(rules_of(501, R"("field":"URI","min_length":9,"requires":{"Path":"*/some/place*"})")), "");
}

TEST(RuleDocument, HasAtMost3MebibytesOfRegularExpressions) {
  const std::string expression = "(a|b).{10}c";
  Arena kept(nullptr, 0, testing::new_block);
  Arena temporary(nullptr, 0, testing::new_block);
  RegexBudget budget;
  RegexFault fault;
  ASSERT_NE(compile_regex({expression.data(), expression.size()}, budget, kept, temporary, fault), nullptr);
  constexpr std::size_t kAll = std::size_t{3} << 20U;
  const std::size_t one = kAll - budget.table_bytes;
  ASSERT_GT(one, std::size_t{16} << 10U) << "the limit of rules without a literal would come first";

  const std::string rest = R"("field":"URI","match":"regex","pattern":")" + expression + "\"";
  EXPECT_EQ(fault_of(rules_of(kAll / one, rest)), "");
  EXPECT_THAT(fault_of(rules_of(kAll / one + 1, rest)), HasSubstr("all regular expressions together are too large"));
}

}  // namespace
}  // namespace secbeat::waf
