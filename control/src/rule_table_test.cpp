#include "secbeat/control/rule_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <thread>

namespace secbeat::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kSeed[2] = {3, 5};
constexpr std::size_t kBlock = 0;
constexpr std::size_t kLog = 1;
constexpr std::uint64_t kTime = 1763946003000;

class RuleTableTest : public ::testing::Test {
 protected:
  void count(std::string_view rule, std::size_t verdict = kBlock, std::string_view module = "waf") {
    count_rule(*table_, kSeed, module, rule, verdict, kTime);
  }
  [[nodiscard]] RuleVerdicts of(std::string_view rule, std::string_view module = "waf") const {
    RuleVerdicts sum{};
    for (const RuleCount& each : read_rules(*table_)) {
      if (each.rule != rule || each.module != module) continue;
      for (std::size_t i = 0; i < kRuleVerdicts; ++i) sum[i] += each.verdicts[i];
    }
    return sum;
  }

  std::unique_ptr<RuleTable> table_ = std::make_unique<RuleTable>();
};

TEST_F(RuleTableTest, CountsVerdictsByModuleAndRule) {
  EXPECT_THAT(read_rules(*table_), IsEmpty());
  count("a");
  count("a");
  count("a", kLog);
  count("b");
  count("a", kBlock, "other");
  EXPECT_THAT(of("a"), ElementsAre(2, 1, 0));
  EXPECT_THAT(of("b"), ElementsAre(1, 0, 0));
  EXPECT_THAT(of("a", "other"), ElementsAre(1, 0, 0));
  EXPECT_EQ(read_rules(*table_).front().last_unix_ms, kTime);
  EXPECT_THAT(read_left_out(*table_), ElementsAre(0, 0, 0));
}

TEST_F(RuleTableTest, CountsEveryVerdictOfManyThreadsThatMeetNewRulesTogether) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  constexpr int kRules = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) count("rule-" + std::to_string(i % kRules));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kRules; ++i) {
    EXPECT_EQ(of("rule-" + std::to_string(i))[kBlock], kThreads * kRounds / kRules) << i;
  }
}

TEST_F(RuleTableTest, WhatFindsNoEntryIsCountedTogether) {
  constexpr std::size_t kRules = kRuleEntries + 500;
  for (std::size_t i = 0; i < kRules; ++i) count("rule-" + std::to_string(i));
  const auto rules = read_rules(*table_);
  EXPECT_GT(rules.size(), kRuleEntries * 9 / 10);
  EXPECT_EQ(rules.size() + read_left_out(*table_)[kBlock], kRules);
}

TEST_F(RuleTableTest, ThreeQuartersOfTheTableFindAnEntryEach) {
  for (std::size_t i = 0; i < kRuleEntries * 3 / 4; ++i) count("rule-" + std::to_string(i));
  EXPECT_EQ(read_left_out(*table_)[kBlock], 0U);
}

TEST_F(RuleTableTest, AFreedEntryGivesItsCountsBackAndIsTakenAgain) {
  count("a");
  count("a", kLog);
  const auto before = read_rules(*table_);
  ASSERT_THAT(before, SizeIs(1));
  EXPECT_THAT(free_rule(*table_, before.front().entry), ElementsAre(1, 1, 0));
  EXPECT_THAT(read_rules(*table_), IsEmpty());
  count("a");
  EXPECT_THAT(of("a"), ElementsAre(1, 0, 0));
}

TEST_F(RuleTableTest, AnEntryWhoseTakerDiedBeforeItsTextWasWholeGetsItFromTheNext) {
  count("a");
  RuleEntry& entry = table_->entries[read_rules(*table_).front().entry];
  entry.has_text.store(0);
  for (Counter& word : entry.text) word.store(0);
  EXPECT_THAT(read_rules(*table_), IsEmpty());
  count("a");
  EXPECT_THAT(of("a"), ElementsAre(2, 0, 0));
}

TEST_F(RuleTableTest, LongIdsAreCutBetweenCharacters) {
  const std::string many(300, 'x');
  count(many);
  count("€" + many);
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "€";
  count(wide);
  const auto rules = read_rules(*table_);
  ASSERT_THAT(rules, SizeIs(3));
  for (const RuleCount& rule : rules) EXPECT_GT(rule.rule.size(), 140U);
  EXPECT_EQ(of(std::string(wide, 0, rules.front().rule.size() / 3 * 3)).size(), kRuleVerdicts);
}

TEST_F(RuleTableTest, WhatNobodyCanHaveWrittenIsLeftOut) {
  for (const char* rule : {"a\nb", "\x1b[2J", "\xff\xfe\xfd\xfc\xfb", "\xE2\x80\xAE"}) count(rule);
  count("a", kBlock, "w\raf");
  EXPECT_THAT(read_rules(*table_), IsEmpty());
  RuleEntry& full = table_->entries[7];
  full.key.store(99);
  full.has_text.store(1);
  for (Counter& word : full.text) word.store(0x4141414141414141);
  EXPECT_THAT(read_rules(*table_), IsEmpty());
  full.text[kRuleTextBytes / sizeof(Counter) - 2].store(0x4141414141414100);  // a module's name of over half the text
  full.text[kRuleTextBytes / sizeof(Counter) - 1].store(0x41);
  EXPECT_THAT(read_rules(*table_), IsEmpty());
}

TEST_F(RuleTableTest, ATableIsAddedToAnotherOneWithAnotherSeed) {
  constexpr std::uint64_t kOtherSeed[2] = {7, 11};
  count("a");
  count("b", kLog);
  auto other = std::make_unique<RuleTable>();
  count_rule(*other, kOtherSeed, "waf", "a", kBlock, kTime);
  add_rules(*other, kOtherSeed, *table_);
  const auto rules = read_rules(*other);
  ASSERT_THAT(rules, SizeIs(2));
  const auto blocks = std::accumulate(rules.begin(), rules.end(), std::uint64_t{0},
                                      [](auto sum, const auto& rule) { return sum + rule.verdicts[kBlock]; });
  EXPECT_EQ(blocks, 2U);
}

}  // namespace
}  // namespace secbeat::control
