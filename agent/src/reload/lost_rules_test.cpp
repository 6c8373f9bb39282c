#include "lost_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LostRules, AreThoseWhoseIdsAreGone) {
  const char* before = R"({"rules":[{"id":"a"},{"id":"b","conditions":[{"id":"deep"}]},{"id":"c"}],"x":1})";
  EXPECT_THAT(lost_rules(before, R"({"rules":[{"id":"c"},{"id":"d"}]})"), ElementsAre("a", "b"));
  EXPECT_THAT(lost_rules(before, before), IsEmpty());
  EXPECT_THAT(lost_rules(before, "{}"), ElementsAre("a", "b", "c"));
}

TEST(LostRules, OfOtherShapesThereAreNone) {
  for (const char* before : {"", "{", "7", "[]", R"({"rules":7})", R"({"rules":[7,{},{"id":7},{"id":""}]})"}) {
    EXPECT_THAT(lost_rules(before, "{}"), IsEmpty()) << before;
  }
  EXPECT_THAT(lost_rules(R"({"rules":[{"id":"a b"},{"id":"\u0007"},{"id":"ok"}]})", "{}"), ElementsAre("ok"));
  EXPECT_THAT(lost_rules(std::string(100000, '['), "{}"), IsEmpty());
}

TEST(LostRules, AreToldUpToABound) {
  EXPECT_EQ(told_as_lost({}), "");
  EXPECT_EQ(told_as_lost({"a", "b"}), "; rules that are gone: a, b");
  EXPECT_EQ(told_as_lost(std::vector<std::string>(12, "r")),
            "; rules that are gone: r, r, r, r, r, r, r, r, r, r and 2 more");
}

}  // namespace
}  // namespace secbeat::agent
