// Cost and inventory of an upload against limits and what it would replace.
#include "gates.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::agent {
namespace {

using engine::Cost;
using engine::Inventory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Inventory rules(std::size_t count, std::size_t first = 0, const std::string& hash = "01") {
  Inventory inventory;
  for (std::size_t i = first; i < first + count; ++i) inventory.push_back({fmt::format("rule-{}", i), hash, {}});
  return inventory;
}
Replaced with(Inventory inventory) { return {"v1", {std::nullopt, std::move(inventory)}}; }
Replaced with(Cost cost) { return {"v1", {std::move(cost), std::nullopt}}; }

std::string word(const std::optional<Error>& error) { return error ? std::string(word_of(error->code)) : "passes"; }

TEST(Compare, TellsWhatCameWentAndChanged) {
  Inventory before = rules(3);
  Inventory now = {{"rule-2", "01", {}}, {"new", "", {}}, {"rule-0", "02", {}}, {"newer", "", {}}};
  const auto change = compare(now, with(before));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->rules, 4U);
  EXPECT_EQ(change->compared_with, "v1");
  EXPECT_EQ(change->rules_before, 3U);
  EXPECT_EQ(change->added, 2U);
  EXPECT_EQ(change->removed, 1U);
  EXPECT_EQ(change->changed, 1U);
  EXPECT_THAT(change->added_ids, ElementsAre("new", "newer"));
  EXPECT_THAT(change->removed_ids, ElementsAre("rule-1"));
  EXPECT_THAT(change->changed_ids, ElementsAre("rule-0"));

  now = before;
  now[0].tags = {"other"};
  EXPECT_THAT(compare(now, with(before))->changed_ids, ElementsAre("rule-0"));
  EXPECT_EQ(compare(before, with(before))->changed, 0U);
}

TEST(Compare, ListsTheFirstAndCountsAll) {
  const auto change = compare(rules(1000, 5000), with(rules(1000)));
  EXPECT_EQ(change->added, 1000U);
  EXPECT_EQ(change->removed, 1000U);
  EXPECT_EQ(change->added_ids.size(), InventoryChange::kMostRulesTold);
  EXPECT_EQ(change->removed_ids.size(), InventoryChange::kMostRulesTold);
  EXPECT_EQ(change->removed_ids.front(), "rule-0");
}

TEST(Compare, SaysWithWhatOrWithNothing) {
  EXPECT_FALSE(compare(std::nullopt, {}));
  EXPECT_FALSE(compare(std::nullopt, {"v1", {}}));
  const auto first = compare(rules(3), {"v1", {}});
  EXPECT_EQ(first->rules, 3U);
  EXPECT_EQ(first->compared_with, "");
  EXPECT_EQ(first->added, 0U);
  const auto lost = compare(std::nullopt, with(rules(3)));
  EXPECT_EQ(lost->rules, 0U);
  EXPECT_EQ(lost->removed, 3U);
}

TEST(InventoryGate, RefusesWhereTooFewRulesWouldBeLeft) {
  const GateLimits limits;
  const auto judged = [&](const std::optional<Inventory>& now, std::size_t before) {
    return judge_inventory(limits, compare(now, with(rules(before))));
  };
  const auto refused = judged(rules(49), 100);
  EXPECT_EQ(word(refused), "inventory_shrank");
  EXPECT_THAT(refused->message, HasSubstr("49 rules would be left of the 100 of v1, 51.0 % fewer; the limit is 50 %"));
  EXPECT_EQ(word(judged(rules(50), 100)), "passes");
  EXPECT_EQ(word(judged(rules(200), 100)), "passes");
  EXPECT_EQ(word(judged(rules(0), 11)), "inventory_shrank");
  EXPECT_EQ(word(judged(rules(0), 10)), "passes") << "so few say nothing";
  EXPECT_EQ(word(judged(rules(100, 1000), 100)), "passes") << "other ids, as many rules";
  EXPECT_EQ(word(judged(std::nullopt, 100)), "inventory_shrank") << "what cannot be seen counts as gone";
  EXPECT_EQ(word(judge_inventory(limits, compare(rules(1), {"v1", {}}))), "passes")
      << "there is nothing to compare with";
}

TEST(InventoryGate, IsSetAndSwitchedOffByItsLimit) {
  GateLimits limits;
  limits.max_rules_lost_percent = 12.5;
  EXPECT_EQ(word(judge_inventory(limits, compare(rules(87), with(rules(100))))), "inventory_shrank");
  EXPECT_EQ(word(judge_inventory(limits, compare(rules(88), with(rules(100))))), "passes");
  limits.max_rules_lost_percent = 0;
  EXPECT_EQ(word(judge_inventory(limits, compare(rules(0), with(rules(100))))), "passes");
}

TEST(CostGate, RefusesOverTheAbsoluteLimitAndNamesWhatShowedIt) {
  GateLimits limits;
  EXPECT_EQ(word(judge_cost(limits, Cost{engine::kMostFuel, "nested-arrays", true}, {})), "passes") << "no limit";
  limits.fuel_limit = 5000;
  const auto refused = judge_cost(limits, Cost{5001, "long-uri", false}, {});
  EXPECT_EQ(word(refused), "cost_limit");
  EXPECT_THAT(refused->message, HasSubstr("long-uri costs 5001 fuel, the limit is 5000 (fuel_limit)"));
  EXPECT_EQ(word(judge_cost(limits, Cost{5000, "long-uri", false}, {})), "passes");
  EXPECT_THAT(judge_cost(limits, Cost{6000, "long-uri", true}, {})->message, HasSubstr("costs at least 6000 fuel"));
  EXPECT_EQ(word(judge_cost(limits, std::nullopt, {})), "passes") << "it was not counted";
}

TEST(CostGate, RefusesAVersionThatCostsManyTimesWhatItReplaces) {
  GateLimits limits;
  limits.cost_floor = 1000;
  const Replaced before = with(Cost{200, "get-root", false});
  const auto refused = judge_cost(limits, Cost{2001, "blanks", false}, before);
  EXPECT_EQ(word(refused), "cost_limit");
  EXPECT_THAT(refused->message,
              HasSubstr("blanks costs 2001 fuel; the most expensive one of v1 costs 200 fuel (get-root), "
                        "and the limit is 10 times that (max_cost_growth)"));
  EXPECT_EQ(word(judge_cost(limits, Cost{2000, "blanks", false}, before)), "passes");
  EXPECT_EQ(word(judge_cost(limits, Cost{1000, "blanks", false}, with(Cost{1, "get-root", false}))), "passes")
      << "below the floor nothing has grown too much";
  EXPECT_EQ(word(judge_cost(limits, Cost{1001, "blanks", false}, with(Cost{0, "get-root", false}))), "cost_limit");
  EXPECT_EQ(word(judge_cost(limits, Cost{900'000, "blanks", false}, {"v1", {}})), "passes")
      << "nothing to compare with";
  limits.max_cost_growth = 0;
  EXPECT_EQ(word(judge_cost(limits, Cost{900'000, "blanks", false}, before)), "passes");
}

TEST(JudgeRuleTests, PassesWhatPassesThemAllAndTellsWhatDoesNot) {
  const std::filesystem::path none = "/nonexistent/tests.json";
  engine::RuleTestReport report{.run = 2, .not_run = 0, .failed = 0, .failures = {}};
  EXPECT_EQ(word(judge_rule_tests({}, std::nullopt)), "passes") << "none are asked for";
  EXPECT_EQ(word(judge_rule_tests(none, report)), "passes");
  report.failed = 1;
  report.failures = {{"secrets stay", "Block no-env", "Allow"}};
  const auto refused = judge_rule_tests(none, report);
  EXPECT_EQ(word(refused), "rule_tests_failed");
  EXPECT_THAT(
      refused->message,
      HasSubstr("1 of 2 rule tests fail: \"secrets stay\" expected Block no-env, got Allow; correct the rules"));
  const auto too_many =
      judge_rule_tests(none, engine::RuleTestReport{.run = 7, .not_run = 1, .failed = 0, .failures = {}});
  EXPECT_EQ(word(too_many), "rule_tests_failed");
  EXPECT_THAT(too_many->message, HasSubstr("over after 7 of 8, which is half of compile_timeout_seconds; make"));
  const auto not_run = judge_rule_tests(none, std::nullopt);
  EXPECT_EQ(word(not_run), "rule_tests_failed") << "what was not run has not passed";
  EXPECT_THAT(not_run->message, HasSubstr("/nonexistent/tests.json cannot be run"));
}

TEST(InventoryChange, SurvivesTheLedger) {
  const auto change = compare(rules(30, 20), with(rules(30)));
  EXPECT_EQ(change_from_text(to_text(change)), change);
  EXPECT_EQ(to_text(std::nullopt), "");
  for (const std::string_view text : {"", "{", "[]", "{}", R"({"rules":"many"})"}) {
    EXPECT_EQ(change_from_text(text), std::nullopt) << text;
  }
  for (const char* odd : {"-1", "1.5", "1e300"}) {
    std::string text = to_text(change);
    EXPECT_EQ(change_from_text(text.replace(text.find("\"removed\":") + 10, 2, odd)), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace secbeat::agent
