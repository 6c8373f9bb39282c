#include "watch_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::counted;
using ::testing::HasSubstr;

constexpr milliseconds kTick{50};

class WatchBookTest : public testing::WatchTest {
 protected:
  // v1 has served for long, and v2 has come.
  void bring_in_second() {
    first_ = reloader_.bring_in();
    clock_.advance(std::chrono::hours(1));
    open();
    book_->look();
    count(first_, counted({.allowed = 9900, .blocked = 100}));
    look_after(kTick);
    second_ = reloader_.bring_in();
    look_after(kTick);
  }

  std::uint64_t first_ = 0;
  std::uint64_t second_ = 0;
};

TEST_F(WatchBookTest, TakesBackAVersionThatFails) {
  bring_in_second();
  EXPECT_EQ(state(), WatchState::kRunning);
  EXPECT_EQ(book_->running(), std::vector<std::string>{"waf"});
  count(second_, counted({.traps = 30}));
  look_after(kTick);
  ASSERT_EQ(reloader_.rollbacks.size(), 1U);
  const Rollback& rollback = reloader_.rollbacks.front();
  EXPECT_EQ(rollback.name, "waf");
  EXPECT_EQ(rollback.takes_back, second_);
  EXPECT_EQ(rollback.origin.by, "watch");
  EXPECT_THAT(rollback.reason, HasSubstr("30 trap"));
  EXPECT_EQ(state(), WatchState::kRolledBack);
  EXPECT_EQ(book_->rollbacks().front().count, 1U);
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.size(), 1U) << "the version before is not watched";
  EXPECT_EQ(state(), WatchState::kRolledBack);
}

TEST_F(WatchBookTest, TakesBackAVersionThatBlocksEverything) {
  bring_in_second();
  count(second_, counted({.blocked = 600}));
  look_after(kTick);
  ASSERT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_THAT(reloader_.rollbacks.front().reason, HasSubstr("blocked: 100.0 % of 600 requests"));
}

TEST_F(WatchBookTest, WhatTheVersionBeforeDecidesForAFailingOneIsNotItsBaseline) {
  bring_in_second();
  count(first_, counted({.blocked = 90000}));  // asked about the requests that the new one failed on
  count(second_, counted({.blocked = 600}));
  look_after(kTick);
  ASSERT_EQ(reloader_.rollbacks.size(), 1U);
  const std::uint64_t third = reloader_.bring_in();
  look_after(kTick);
  EXPECT_DOUBLE_EQ(book_->view("waf")->baseline->block_percent, 1);
  count(third, counted({.blocked = 600}));
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.size(), 2U);
}

TEST_F(WatchBookTest, AVersionThatServesWellPasses) {
  bring_in_second();
  for (int second = 0; second < 59; ++second) {
    count(second_, counted({.allowed = 990, .blocked = 10}));
    look_after(seconds(1));
    EXPECT_EQ(state(), WatchState::kRunning);
  }
  look_after(seconds(2));
  EXPECT_EQ(state(), WatchState::kPassed);
  EXPECT_EQ(reloader_.lifted, std::vector<std::uint64_t>{second_});
  count(second_, counted({.traps = 10000}));
  look_after(kTick);
  EXPECT_TRUE(reloader_.rollbacks.empty()) << "what comes later is not the watch's";
}

TEST_F(WatchBookTest, WithLittleTrafficThereIsNoVerdict) {
  bring_in_second();
  count(second_, counted({.blocked = 300, .traps = 15}));
  look_after(seconds(30));
  EXPECT_TRUE(reloader_.rollbacks.empty());
}

TEST_F(WatchBookTest, OfAFirstVersionItOnlyTells) {
  open();
  book_->look();
  const std::uint64_t only = reloader_.bring_in();
  look_after(kTick);
  count(only, counted({.traps = 100}));
  look_after(kTick);
  EXPECT_TRUE(reloader_.rollbacks.empty());
  EXPECT_EQ(state(), WatchState::kRunning);
  EXPECT_THAT(book_->view("waf")->reason, HasSubstr("100 trap"));
}

TEST_F(WatchBookTest, ANewerVersionEndsTheWatchAndIsWatched) {
  bring_in_second();
  const std::uint64_t third = reloader_.bring_in();
  look_after(kTick);
  EXPECT_EQ(book_->view("waf")->version, "v3");
  count(second_, counted({.traps = 100}));
  look_after(kTick);
  EXPECT_TRUE(reloader_.rollbacks.empty());
  count(third, counted({.traps = 100}));
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.back().takes_back, third);
}

TEST_F(WatchBookTest, ARollbackByHandEndsIt) {
  bring_in_second();
  reloader_.go_back();
  look_after(kTick);
  EXPECT_EQ(state(), WatchState::kEnded);
  EXPECT_TRUE(book_->running().empty());
}

TEST_F(WatchBookTest, AnOperatorEndsItAndItStaysEndedOverARestart) {
  bring_in_second();
  EXPECT_EQ(book_->end("other", {"api", ""}).error().code, ErrorCode::kNoWatch);
  EXPECT_EQ(book_->end("waf", {"api", ""})->state, WatchState::kEnded);
  EXPECT_EQ(book_->end("waf", {"api", ""}).error().code, ErrorCode::kNoWatch);
  open();
  book_->look();
  EXPECT_EQ(book_->view("waf"), std::nullopt);
}

TEST_F(WatchBookTest, AWatchIsEndedRightAfterItsVersionCame) {
  bring_in_second();
  reloader_.bring_in();
  EXPECT_EQ(book_->view("waf")->version, "v3");
  reloader_.bring_in();
  EXPECT_EQ(book_->end("waf", {"api", ""})->version, "v4");
}

TEST_F(WatchBookTest, ARestartedAgentGoesOnForWhatRemains) {
  bring_in_second();
  const std::string until = book_->view("waf")->until;
  count(first_, counted({.blocked = 90000}));
  clock_.advance(seconds(20));
  open();
  book_->look();
  ASSERT_EQ(state(), WatchState::kRunning);
  EXPECT_EQ(book_->view("waf")->until, until);
  EXPECT_DOUBLE_EQ(book_->view("waf")->baseline->block_percent, 1) << "the baseline is that of the swap";
  count(second_, counted({.blocked = 600}));
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.size(), 1U);
}

TEST_F(WatchBookTest, ARestartedAgentLeavesWhatWasWatchedLongAgo) {
  bring_in_second();
  clock_.advance(seconds(61));
  open();
  book_->look();
  EXPECT_EQ(book_->view("waf"), std::nullopt);
}

TEST_F(WatchBookTest, ARestartedAgentDoesNotWatchWhatWasRolledBackTo) {
  bring_in_second();
  reloader_.go_back();
  open();
  book_->look();
  EXPECT_EQ(book_->view("waf"), std::nullopt);
}

TEST_F(WatchBookTest, WithoutSecondsNothingIsWatched) {
  config_.watch.seconds = seconds(0);
  bring_in_second();
  EXPECT_EQ(book_->view("waf"), std::nullopt);
}

TEST_F(WatchBookTest, ARollbackThatFailsIsTriedAgain) {
  bring_in_second();
  reloader_.refusal = [] {
    Failure failure;
    failure.error = {ErrorCode::kWorkersDisagree, "provoked"};
    return std::optional(failure);
  };
  count(second_, counted({.traps = 30}));
  look_after(kTick);
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_EQ(state(), WatchState::kRunning);
  reloader_.refusal = nullptr;
  look_after(seconds(1));
  EXPECT_EQ(reloader_.rollbacks.size(), 2U);
  EXPECT_EQ(state(), WatchState::kRolledBack);
}

TEST_F(WatchBookTest, WhoEndsItWhileTheRollbackWaitsKeepsTheVersion) {
  bring_in_second();
  reloader_.refusal = [&]() -> std::optional<Failure> {
    EXPECT_EQ(book_->end("waf", {"api", ""})->state, WatchState::kEnded);
    return std::nullopt;
  };
  count(second_, counted({.traps = 30}));
  look_after(kTick);
  EXPECT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_EQ(reloader_.document.find("waf")->current, second_);
  EXPECT_EQ(state(), WatchState::kEnded);
}

TEST_F(WatchBookTest, OnceTheVersionIsBeingTakenBackNobodyEndsIt) {
  bring_in_second();
  std::optional<ErrorCode> refused;
  reloader_.swapping = [&] { refused = book_->end("waf", {"api", ""}).error().code; };
  count(second_, counted({.traps = 30}));
  look_after(kTick);
  EXPECT_EQ(refused, ErrorCode::kNoWatch);
  EXPECT_EQ(state(), WatchState::kRolledBack);
}

TEST_F(WatchBookTest, ModulesAreWatchedApart) {
  bring_in_second();
  reloader_.bring_in("other");
  look_after(kTick);
  const std::uint64_t newer = reloader_.bring_in("other");
  look_after(kTick);
  count(newer, counted({.traps = 30}));
  look_after(kTick);
  ASSERT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_EQ(reloader_.rollbacks.front().name, "other");
  EXPECT_EQ(state("waf"), WatchState::kRunning);
}

TEST_F(WatchBookTest, WhatIsCountedWhileWorkersSwapIsNobodysBaseline) {
  bring_in_second();
  clock_.advance(seconds(61));
  book_->look();
  Operation swap;
  swap.stage = OperationStage::kSwap;
  reloader_.under_way = swap;
  count(second_, counted({.blocked = 90000}));
  look_after(kTick);
  reloader_.under_way.reset();
  reloader_.bring_in();
  look_after(kTick);
  EXPECT_EQ(book_->view("waf")->baseline->requests, 0U);
}

}  // namespace
}  // namespace secbeat::agent
