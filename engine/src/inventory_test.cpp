// The inventory as a stranger may write it.
#include "secbeat/engine/inventory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

namespace secbeat::engine {
namespace {

using ::testing::HasSubstr;

std::string why_not(std::string_view text) {
  const auto inventory = read_inventory(text);
  if (inventory) return "taken";
  EXPECT_EQ(inventory.error().code, ErrorCode::kBadJson);
  return inventory.error().message;
}

TEST(Inventory, ListsRulesInTheModulesOrder) {
  const auto inventory = read_inventory(R"( [{"id":"b","hash":"02","tags":["sqli","xss"],"since":{"v":[[[1]]]}},
                                             {"id":"a"}, {"id":"ä","tags":[]}] )");
  ASSERT_TRUE(inventory) << inventory.error().message;
  EXPECT_EQ(*inventory, (Inventory{{"b", "02", {"sqli", "xss"}}, {"a", "", {}}, {"ä", "", {}}}));
  EXPECT_EQ(read_inventory(to_json(*inventory)).value(), *inventory);
  EXPECT_TRUE(read_inventory("[]").value().empty());
}

TEST(Inventory, IsAnArrayOfObjects) {
  for (const std::string_view text : {"", "{}", "null", "7", "\"[]\"", "[", "[] []", "[{\"id\":\"a\"},]", "\xff[]"}) {
    EXPECT_THAT(why_not(text), HasSubstr("no JSON array")) << text;
  }
  EXPECT_THAT(why_not(R"(["a"])"), HasSubstr("rule 1 is no object"));
  EXPECT_THAT(why_not(R"([{"id":"a"}, []])"), HasSubstr("rule 2 is no object"));
}

TEST(Inventory, HasAnIdForEachRuleAndEachOnce) {
  EXPECT_THAT(why_not(R"([{"hash":"01"}])"), HasSubstr("rule 1 has no \"id\""));
  EXPECT_THAT(why_not(R"([{"id":""}])"), HasSubstr("rule 1 has no \"id\""));
  EXPECT_THAT(why_not(R"([{"id":7}])"), HasSubstr("rule 1: \"id\" must be a text"));
  EXPECT_THAT(why_not(R"([{"id":"a"},{"id":"b"},{"id":"a"}])"), HasSubstr("two rules have the id \"a\""));
}

TEST(Inventory, HoldsNothingThatIsNotText) {
  EXPECT_THAT(why_not("[{\"id\":\"a\xff\"}]"), HasSubstr("no JSON array"));
  EXPECT_THAT(why_not(R"([{"id":"a\nb"}])"), HasSubstr("control characters"));
  EXPECT_THAT(why_not(R"([{"id":"a\u0000"}])"), HasSubstr("control characters"));
  EXPECT_THAT(why_not(R"([{"id":"a\u009b2J"}])"), HasSubstr("control characters"));
  EXPECT_THAT(why_not(R"([{"id":"a\u202eb"}])"), HasSubstr("control characters"))
      << "it turns the direction of writing";
  EXPECT_THAT(why_not(R"([{"id":"a","hash":["x"]}])"), HasSubstr("\"hash\" must be a text"));
  EXPECT_THAT(why_not(R"([{"id":"a","tags":"sqli"}])"), HasSubstr("\"tags\" must be"));
  EXPECT_THAT(why_not(R"([{"id":"a","tags":[1]}])"), HasSubstr("\"tags\" must be"));
  EXPECT_THAT(why_not(R"([{"id":"a","tags":["\u001b[2J"]}])"), HasSubstr("control characters"));
}

TEST(Inventory, IsBounded) {
  EXPECT_THAT(why_not(fmt::format(R"([{{"id":"{}"}}])", std::string(kMaxRuleIdBytes + 1, 'a'))),
              HasSubstr("128 bytes"));
  EXPECT_TRUE(read_inventory(fmt::format(R"([{{"id":"{}"}}])", std::string(kMaxRuleIdBytes, 'a'))));
  EXPECT_THAT(why_not(std::string(kMaxInventoryBytes + 1, ' ')), HasSubstr("1048577 bytes"));

  std::string many = "[";
  for (std::size_t i = 0; i <= kMaxInventoryRules; ++i)
    many += fmt::format("{}{{\"id\":\"{}\"}}", i == 0 ? "" : ",", i);
  EXPECT_THAT(why_not(many + "]"), HasSubstr("10001 rules, the limit is 10000"));

  // Deeper than any stack, were it read by one.
  EXPECT_THAT(why_not(std::string(kMaxInventoryBytes / 2, '[') + std::string(kMaxInventoryBytes / 2, ']')),
              HasSubstr("rule 1"));
  EXPECT_THAT(why_not(std::string(kMaxInventoryBytes, '[')), HasSubstr("no JSON array"));
  std::string tags = R"("t")";
  for (std::size_t i = 0; i < kMaxRuleTags; ++i) tags += R"(,"t")";
  EXPECT_THAT(why_not(fmt::format(R"([{{"id":"a","tags":[{}]}}])", tags)), HasSubstr("at most 16"));
}

}  // namespace
}  // namespace secbeat::engine
