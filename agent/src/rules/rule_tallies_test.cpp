#include "rules/rule_tallies.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kTime = 1763946003000;
const SystemTime kNow = time_of_unix_ms(kTime);

class FakeMemory final : public RuleMemory {
 public:
  RememberedTallies kept;
  bool refuses = false;

  [[nodiscard]] Result<RememberedTallies> rule_tallies() const override { return kept; }
  Result<void> keep_rule_tallies(std::string_view board, std::span<const RuleTally> changed) override {
    if (refuses) return fail(ErrorCode::kIo, "full");
    kept.board = board;
    for (const RuleTally& tally : changed) {
      std::erase_if(kept.tallies, [&](const RuleTally& old) { return old.rule == tally.rule; });
      kept.tallies.push_back(tally);
    }
    return {};
  }
  Result<std::optional<std::uint64_t>> end_rule(const RuleLife&, std::uint64_t, std::uint64_t, const EndRow&) override {
    return std::nullopt;
  }
};

class RuleTalliesTest : public ::testing::Test {
 protected:
  RuleTalliesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "secbeat-tallies-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    make_scoreboard();
  }
  ~RuleTalliesTest() override { std::filesystem::remove_all(folder_); }

  void make_scoreboard() {
    std::filesystem::remove_all(folder_ / "workers");
    auto made = control::Scoreboard::create(folder_ / "workers" / "scoreboard", ::geteuid(), ::getegid());
    ASSERT_TRUE(made.has_value());
    scoreboard_ = std::move(*made);
  }
  void block(int times, std::string_view rule = "a", std::uint64_t time = kTime) {
    control::ScoreboardLayout& layout = scoreboard_->layout();
    for (int i = 0; i < times; ++i) {
      control::count_rule(layout.rules, layout.header.hash_seed, "universal-waf", rule, 0, time);
    }
  }
  static std::uint64_t blocks(RuleTallies& tallies, std::string_view rule = "a") {
    for (const RuleTally& tally : tallies.all()) {
      if (tally.rule == rule) return tally.total[0];
    }
    return 0;
  }

  std::filesystem::path folder_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  FakeMemory memory_;
};

TEST_F(RuleTalliesTest, CountOnOverARestartOfTheAgentThatSavedNothing) {
  {
    RuleTallies first(*scoreboard_, &memory_);
    EXPECT_THAT(first.all(), IsEmpty());
    block(3);
    first.save({}, kNow);
    block(2);
    EXPECT_EQ(blocks(first), 5U);
  }
  RuleTallies second(*scoreboard_, &memory_);
  EXPECT_EQ(blocks(second), 5U) << "neither lost nor twice";
  block(1);
  EXPECT_EQ(blocks(second), 6U);
}

TEST_F(RuleTalliesTest, CountOnOverAnotherScoreboard) {
  block(4);
  RuleTallies(*scoreboard_, &memory_).save({}, kNow);
  make_scoreboard();
  block(1);
  RuleTallies next(*scoreboard_, &memory_);
  EXPECT_EQ(blocks(next), 5U);
  next.save({}, kNow);
  block(6);
  next.save({}, kNow);
  EXPECT_EQ(blocks(next), 11U);
  RuleTallies last(*scoreboard_, &memory_);
  EXPECT_EQ(blocks(last), 11U);
}

TEST_F(RuleTalliesTest, NeverGoBackwardsWhateverTheTableSays) {
  RuleTallies tallies(*scoreboard_, &memory_);
  block(7);
  EXPECT_EQ(blocks(tallies), 7U);
  control::RuleTable& table = scoreboard_->layout().rules;
  table.entries[control::read_rules(table).front().entry].verdicts[0].store(2);
  EXPECT_EQ(blocks(tallies), 7U);
  block(1);
  EXPECT_EQ(blocks(tallies), 8U);
}

TEST_F(RuleTalliesTest, AFullTableLosesRulesThatHaveNotMatchedForAnHourAndNoCount) {
  constexpr std::size_t kMany = control::kRuleEntries / 4 * 3 + 10;
  const std::uint64_t old = kTime - 3'700'000;
  for (std::size_t i = 0; i < kMany; ++i) block(1, "rule-" + std::to_string(i), old);
  block(5, "in-force", old);
  block(5, "fresh");
  RuleTallies tallies(*scoreboard_, &memory_);
  tallies.save({"in-force"}, kNow);
  EXPECT_EQ(control::read_rules(scoreboard_->layout().rules).size(), 2U);
  EXPECT_EQ(blocks(tallies, "rule-5"), 1U);
  block(2, "rule-5");
  EXPECT_EQ(blocks(tallies, "rule-5"), 3U);
  EXPECT_EQ(blocks(tallies, "in-force"), 5U);
}

TEST_F(RuleTalliesTest, WhatCannotBeSavedIsSavedLater) {
  RuleTallies tallies(*scoreboard_, &memory_);
  block(3);
  memory_.refuses = true;
  tallies.save({}, kNow);
  memory_.refuses = false;
  tallies.save({}, kNow);
  ASSERT_EQ(memory_.kept.tallies.size(), 1U);
  EXPECT_THAT(memory_.kept.tallies.front().total, ElementsAre(3, 0, 0));
}

}  // namespace
}  // namespace secbeat::agent
