#include "secbeat/agent/rule_document.hpp"

#include <gmock/gmock.h>

#include "secbeat/http/text.hpp"

namespace secbeat::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const SystemTime kRulesNow = *parse_rfc3339("2026-11-27T04:00:00Z");

RuleJson rule_of(std::string_view text) { return parse_rule_text(text).value(); }

TEST(RuleText, ATimeToLiveBecomesAnEndOnReceipt) {
  const auto received = rule_on_receipt(rule_of(R"({"id":"a","ttl_seconds":90,"action":"Block"})"), kRulesNow);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->dump(),
            R"({"id":"a","action":"Block","expires_at":"2026-11-27T04:01:30Z","created_at":"2026-11-27T04:00:00Z"})");
}

TEST(RuleText, WhatIsNoTimeToLiveIsRefusedWithRuleAndKey) {
  for (const char* ttl : {"0", "-1", "1.5", "\"60\"", "null", "true", "316224001", "18446744073709551615"}) {
    const auto refused = rule_on_receipt(rule_of(std::string(R"({"id":"a","ttl_seconds":)") + ttl + "}"), kRulesNow);
    ASSERT_FALSE(refused) << ttl;
    EXPECT_EQ(refused.error().code, ErrorCode::kBadRule);
    EXPECT_THAT(refused.error().message, HasSubstr(R"(rule "a", key "ttl_seconds": )"));
  }
  const auto both = rule_on_receipt(rule_of(R"({"id":"a","ttl_seconds":1,"expires_at":1})"), kRulesNow);
  EXPECT_THAT(both.error().message, HasSubstr("a rule ends once"));
}

TEST(RuleText, ARuleWithoutANameIsRefused) {
  for (const char* text :
       {"{}", "[]", "1", "null", R"({"id":1})", R"({"id":""})", R"({"id":"a b"})", R"({"id":"a/b"})"}) {
    const auto refused = rule_on_receipt(rule_of(text), kRulesNow);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::kBadRule);
  }
  EXPECT_FALSE(is_rule_id(std::string(101, 'a')));
  EXPECT_TRUE(is_rule_id(std::string(100, 'a')));
}

TEST(RuleText, HostileJsonIsRefusedWithItsPlace) {
  EXPECT_EQ(parse_rule_text("{\"id\":").error().code, ErrorCode::kBadJson);
  EXPECT_THAT(parse_rule_text("{\"id\":x}").error().message, HasSubstr("at byte 6"));
  EXPECT_THAT(parse_rule_text(R"({"id":"a","x":{"b":1,"b":2}})").error().message, HasSubstr(R"("b" is given twice)"));
  EXPECT_TRUE(parse_rule_text(R"([{"id":"a"},{"id":"b","x":{"id":1}}])")) << "the same key in other objects";
  EXPECT_THAT(parse_rule_text(std::string(100000, '[')).error().message, testing::Not(HasSubstr("[[[[")));
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_THAT(parse_rule_text(deep).error().message, HasSubstr("nests deeper"));
  EXPECT_EQ(parse_rule_text("\"\xff\"").error().code, ErrorCode::kBadJson);
  EXPECT_EQ(parse_rule_text("1e999").error().code, ErrorCode::kBadJson);
}

TEST(RuleDocument, AnEditLeavesTheRestAsItWasWritten) {
  auto document = RuleDocument::read(
      R"({"$schema":"x","rules":[{"id":"b","x-note":[1,{"z":1,"a":2}]},{"id":"a"}],"x-owner":"me"})");
  ASSERT_TRUE(document);
  ASSERT_TRUE(document->add(rule_of(R"({"id":"c"})")));
  ASSERT_TRUE(document->replace("a", rule_of(R"({"id":"a","enabled":false})")));
  EXPECT_EQ(
      document->json().dump(),
      R"({"$schema":"x","rules":[{"id":"b","x-note":[1,{"z":1,"a":2}]},{"id":"a","enabled":false},{"id":"c"}],"x-owner":"me"})");
  ASSERT_TRUE(document->remove("b"));
  EXPECT_EQ(document->rules().dump(), R"([{"id":"a","enabled":false},{"id":"c"}])");
  EXPECT_EQ(document->add(rule_of(R"({"id":"a"})")).error().code, ErrorCode::kRuleExists);
  EXPECT_EQ(document->remove("b").error().code, ErrorCode::kUnknownRule);
  EXPECT_EQ(document->replace("b", rule_of(R"({"id":"b"})")).error().code, ErrorCode::kUnknownRule);
  EXPECT_EQ(document->replace("a", rule_of(R"({"id":"b"})")).error().code, ErrorCode::kBadRule);
}

TEST(RuleDocument, AnEmptyTextIsOneWithoutRulesAndAnotherShapeIsNone) {
  EXPECT_EQ(RuleDocument::read("")->size(), 0U);
  EXPECT_EQ(RuleDocument::read(" \n")->json().dump(), R"({"rules":[]})");
  for (const char* text : {"[]", "{}", R"({"rules":{}})", "3"}) {
    EXPECT_EQ(RuleDocument::read(text).error().code, ErrorCode::kBadRule) << text;
  }
}

TEST(RuleDocument, WhatHasEndedLeavesAtItsSecond) {
  auto document = RuleDocument::read(
      R"({"rules":[{"id":"a","expires_at":"2026-11-27T04:00:00Z"},{"id":"b","expires_at":"2026-11-27T04:00:01Z"},
          {"id":"c"},{"id":"d","expires_at":1},{"id":"e","expires_at":"soon"}]})");
  EXPECT_THAT(document->drop_ended(kRulesNow), ElementsAre("a", "d"));
  EXPECT_EQ(document->size(), 3U);
  EXPECT_THAT(document->drop_ended(kRulesNow + std::chrono::seconds(1)), ElementsAre("b"));
}

TEST(RuleDocument, IfMatchIsComparedAsRfc9110Says) {
  EXPECT_TRUE(is_matched("\"a\"", "\"a\""));
  EXPECT_TRUE(is_matched("\"b\", \"a\"", "\"a\""));
  EXPECT_TRUE(is_matched("*", "\"a\""));
  for (const char* header : {"", "a", "W/\"a\"", "\"b\"", "\"a", ","})
    EXPECT_FALSE(is_matched(header, "\"a\"")) << header;
}

}  // namespace
}  // namespace secbeat::agent
