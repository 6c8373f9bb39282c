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
  // What no node can have come to is not believed.
  EXPECT_EQ(next_label({}, {node("v1", 0, std::uint64_t{1} << 53U), node("v3", 0, 3)}, "waf", std::nullopt), "v4");
  EXPECT_EQ(next_revision({}, {node("v1", std::uint64_t{1} << 53U, 1), node("v1", 4, 1)}), 5U);
  EXPECT_EQ(next_label({}, {node("v6", 0, 6)}, "other", std::nullopt), "v1");
  EXPECT_EQ(next_label({}, {node("v1", 0, 1)}, "waf", "1.4.2"), "1.4.2");
  EXPECT_EQ(next_label({}, {node("1.4.2", 0, 0)}, "waf", "1.4.2"), "1.4.2+2");
  // Lower ones were given before, though nobody lists them any more.
  EXPECT_EQ(next_label({}, {node("1.4.2+17", 0, 0)}, "waf", "1.4.2"), "1.4.2+18");
  EXPECT_EQ(next_label({}, {node("1.4.2+x", 0, 0)}, "waf", "1.4.2"), "1.4.2");
  const fleet::Desired desired{
      .revision = 1,
      .modules = {
          {.name = "waf", .version = {.label = "v8"}, .revision = 1, .before = {{.label = "v9"}, {.label = "1.4.2"}}}}};
  EXPECT_EQ(next_label(desired, {node("v1", 0, 1)}, "waf", std::nullopt), "v10");
  EXPECT_EQ(next_label(desired, {node("1.4.2+2", 0, 1)}, "waf", "1.4.2"), "1.4.2+3");
  // Also not one that a version had which serves nowhere any more.
  EXPECT_EQ(next_label({}, {node("v1", 0, 1)}, "waf", "1.4.2", {{.label = "1.4.2"}, {.label = "1.4.2+2"}}), "1.4.2+3");
  EXPECT_EQ(next_label({}, {node("v1", 0, 1)}, "waf", std::nullopt, {{.label = "v7"}}), "v8");
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
  const fleet::Desired again = with(desired, {.rollout = "r2",
                                              .module = "waf",
                                              .version = desired.modules[0].version,
                                              .revision = 21,
                                              .expected_version = {}});
  EXPECT_EQ(again.modules[0].before, desired.modules[0].before) << "a rollback is not to lead to itself";
  EXPECT_EQ(again.modules[0].revision, 21);
}

TEST(Plan, GoesBackAlongWhatWasDesired) {
  fleet::Desired desired;
  const auto order = [](int number, std::uint64_t revision) {
    return fleet::Order{.rollout = "r",
                        .module = "waf",
                        .version = {.label = "v" + std::to_string(number)},
                        .revision = revision,
                        .expected_version = {}};
  };
  for (int i = 1; i <= 4; ++i) desired = with(desired, order(i, static_cast<std::uint64_t>(i)));
  desired = back_to(desired, order(2, 5));
  EXPECT_EQ(desired.revision, 5);
  EXPECT_EQ(desired.modules[0].version.label, "v2");
  ASSERT_EQ(desired.modules[0].before.size(), 1);
  EXPECT_EQ(desired.modules[0].before[0].label, "v1");
  ASSERT_EQ(desired.modules[0].after.size(), 2) << "reached by their labels";
  EXPECT_EQ(desired.modules[0].after[0].label, "v4");
  EXPECT_EQ(desired.modules[0].after[1].label, "v3");
  desired = back_to(desired, order(3, 6));
  EXPECT_EQ(desired.modules[0].version.label, "v3");
  ASSERT_EQ(desired.modules[0].before.size(), 2);
  EXPECT_EQ(desired.modules[0].before[0].label, "v2") << "a rollback takes that back";
  ASSERT_EQ(desired.modules[0].after.size(), 1);
  EXPECT_EQ(desired.modules[0].after[0].label, "v4");
}

TEST(Plan, ReachesTheNodesInWaves) {
  using Waves = std::vector<std::size_t>;
  EXPECT_EQ(waves_of({}, 7), (Waves{7}));
  EXPECT_EQ(waves_of({.canary = "1"}, 7), (Waves{1, 7}));
  EXPECT_EQ(waves_of({.canary = "5%"}, 200), (Waves{10, 200}));
  EXPECT_EQ(waves_of({.canary = "5%"}, 3), (Waves{1, 3})) << "at least one";
  EXPECT_EQ(waves_of({.waves = "1,25%,100%"}, 10), (Waves{1, 3, 10}));
  EXPECT_EQ(waves_of({.waves = "1, 25%"}, 2), (Waves{1, 2})) << "the rest comes last, a wave of nobody never";
  EXPECT_EQ(waves_of({.waves = "50"}, 10), (Waves{10}));
  for (const char* bad : {",", "0", "101%", "x", "1,", "-1", "1.5", "%", "1;2", "99999999999999999999999"}) {
    EXPECT_FALSE(waves_of({.waves = bad}, 10)) << bad;
  }
  EXPECT_FALSE(waves_of({.canary = "1,2"}, 10));
  EXPECT_FALSE(waves_of({.canary = "1", .waves = "1"}, 10));
}

TEST(Plan, MeansNodesByNameAndLabel) {
  const std::vector<fleet::NodeStatus> nodes{
      {.node = "a", .labels = {{"region", "eu"}}}, {.node = "b"}, {.node = "c", .labels = {{"region", "us"}}}};
  const auto names = [&](std::string_view target) {
    std::string text;
    const auto found = targeted(nodes, target);
    if (!found) return std::string(word_of(found.error().code));
    for (const fleet::NodeStatus& node : *found) text += node.node;
    return text;
  };
  EXPECT_EQ(names("all"), "abc");
  EXPECT_EQ(names(""), "abc");
  EXPECT_EQ(names("c, a"), "ac");
  EXPECT_EQ(names("a,x"), "no_nodes");
  EXPECT_EQ(names("region=eu"), "a");
  EXPECT_EQ(names("region=asia"), "no_nodes");
  EXPECT_EQ(names("="), "no_nodes");
}

}  // namespace
}  // namespace secbeat::orchestrator
