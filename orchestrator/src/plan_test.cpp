#include "plan.hpp"

#include <gtest/gtest.h>

namespace secbeat::orchestrator {
namespace {

fleet::NodeStatus node(std::string label, std::uint64_t reached, std::uint64_t highest) {
  return {.node = "n",
          .modules = {
              {.name = "waf", .version = {.label = std::move(label)}, .reached = reached, .highest_label = highest}}};
}

TEST(Plan, NumbersOnFromTheHighestThatAnybodyKnows) {
  EXPECT_EQ(next_revision({}, {}), 1);
  EXPECT_EQ(next_revision({.revision = 4}, {node("v1", 2, 1)}), 5);
  EXPECT_EQ(next_revision({}, {node("v1", 9, 1), node("v1", 3, 1)}), 10) << "the desired state was lost";
}

TEST(Plan, GivesALabelThatNobodyHas) {
  EXPECT_EQ(next_label({}, {}, "waf", std::nullopt), "v1");
  EXPECT_EQ(next_label({}, {node("v1", 0, 6), node("v3", 0, 3)}, "waf", std::nullopt), "v7");
  EXPECT_EQ(next_label({}, {node("v6", 0, 6)}, "other", std::nullopt), "v1");
  EXPECT_EQ(next_label({}, {node("v1", 0, 1)}, "waf", "1.4.2"), "1.4.2");
  EXPECT_EQ(next_label({}, {node("1.4.2", 0, 0)}, "waf", "1.4.2"), "1.4.2+2");
  const fleet::Desired desired{
      .revision = 1,
      .modules = {
          {.name = "waf", .version = {.label = "v8"}, .revision = 1, .before = {{.label = "v9"}, {.label = "1.4.2"}}}}};
  EXPECT_EQ(next_label(desired, {node("v1", 0, 1)}, "waf", std::nullopt), "v10");
  EXPECT_EQ(next_label(desired, {node("1.4.2+2", 0, 1)}, "waf", "1.4.2"), "1.4.2+3");
}

TEST(Plan, KeepsWhatWasDesiredBefore) {
  fleet::Desired desired;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    desired = with(desired, {.rollout = "r",
                             .module = "waf",
                             .version = {.label = "v" + std::to_string(i)},
                             .revision = i,
                             .expected_version = {}});
  }
  ASSERT_EQ(desired.modules.size(), 1);
  EXPECT_EQ(desired.revision, 20);
  EXPECT_EQ(desired.modules[0].version.label, "v20");
  ASSERT_EQ(desired.modules[0].before.size(), kKeptBefore);
  EXPECT_EQ(desired.modules[0].before[0].label, "v19");
}

}  // namespace
}  // namespace secbeat::orchestrator
