#include "rule_counts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "ended_rules.hpp"
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

using RuleCountsTest = FleetTest;

TEST_F(RuleCountsTest, OfEachNodeOneAnswerCountsHoweverOftenItAnswers) {
  const auto answer_of = [](const std::string& node, std::uint64_t blocks) {
    return to_json(fleet::RuleCounts{.node = node, .blocks = blocks, .rules = {{.id = "r", .blocks = blocks}}});
  };
  std::promise<void> twice;
  auto repeats = connection_->subscribe_group(fleet::rules_subject("node-1"), "g",
                                              [&](std::string_view, const std::string& reply) {
                                                EXPECT_TRUE(connection_->answer(reply, answer_of("node-1", 5)));
                                                EXPECT_TRUE(connection_->answer(reply, answer_of("node-1", 5)));
                                                twice.set_value();
                                              });
  auto late = connection_->subscribe(fleet::rules_subject("node-2"), [&](std::string_view) {
    twice.get_future().wait_for(1s);  // what one connection publishes comes in its order
    return answer_of("node-2", 7);
  });
  auto talks_nonsense = connection_->subscribe(fleet::rules_subject("node-3"), [](std::string_view) { return "{"; });
  ASSERT_TRUE(repeats);
  ASSERT_TRUE(late);
  ASSERT_TRUE(talks_nonsense);
  const auto counted = ask_rule_counts(*connection_, {"node-1", "node-2", "node-3", "node-4"});
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_THAT(counted->nodes, ElementsAre("node-1", "node-2"));
  EXPECT_THAT(counted->silent, ElementsAre("node-3", "node-4"));
  EXPECT_EQ(counted->blocks, 12U);
  EXPECT_EQ(counted->find("r")->blocks, 12U);
}

TEST_F(RuleCountsTest, AnEditDoesNotWaitForTheCountsOfWhatHasEnded) {
  ASSERT_TRUE(connection_->make_bucket({.name = fleet::kRulesBucket}));
  ASSERT_TRUE(connection_->remove(fleet::kRulesBucket, fleet::kEndedKey));
  std::promise<void> looked;
  std::atomic<bool> has_waited{false};
  {
    EndedRules ended(*connection_, [&]() -> Result<CountedRules> {
      has_waited = looked.get_future().wait_for(5s) == std::future_status::ready;
      return CountedRules{};
    });
    const auto document = agent::RuleDocument::read(
        R"({"rules":[{"id":"a","field":"URI","pattern":"/x","action":"Block","expires_at":"2026-01-01T00:00:00Z"}]})");
    ASSERT_TRUE(document);
    ended.look("x", *document, RealClock().now());
    looked.set_value();
  }
  EXPECT_TRUE(has_waited);
}

}  // namespace
}  // namespace secbeat::orchestrator
