#include "figures.hpp"

#include <gtest/gtest.h>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::counted;
using testing::WatchTest;

TEST(FiguresTest, ARequestIsOneThatGotAVerdictOrFailed) {
  const Figures figures = counted({.allowed = 60, .blocked = 30, .limited = 5, .traps = 4, .deadlines = 1});
  EXPECT_EQ(figures.requests(), 100U);
  EXPECT_EQ(figures.failed(), 5U);
  EXPECT_DOUBLE_EQ(figures.block_percent(), 30);
  EXPECT_DOUBLE_EQ(figures.rate_limit_percent(), 5);
  EXPECT_EQ(errors_by_kind(figures), "4 trap, 1 deadline");
  EXPECT_DOUBLE_EQ(Figures{}.block_percent(), 0);
}

TEST(FiguresTest, ThePercentileLiesWithinItsBucket) {
  EXPECT_EQ(Figures{}.p99_us(), std::nullopt);
  Figures figures;
  figures.buckets[3] = 985;  // 2 to 5 µs
  figures.buckets[9] = 10;   // 200 to 500 µs
  EXPECT_GT(*figures.p99_us(), 200);
  EXPECT_LT(*figures.p99_us(), 500);
  figures.buckets[3] = 100000;
  EXPECT_LE(*figures.p99_us(), 5);
  Figures open;
  open.buckets.back() = 10;
  EXPECT_DOUBLE_EQ(*open.p99_us(), 10000);
}

TEST(FiguresTest, ADifferenceIsNeverBelowZero) {
  const Figures more = counted({.allowed = 10});
  const Figures fewer = counted({.allowed = 3, .traps = 2});
  EXPECT_EQ((fewer - more).requests(), 2U);
  EXPECT_EQ((more - fewer).requests(), 7U);
  EXPECT_EQ((more + fewer).requests(), 15U);
}

TEST_F(WatchTest, FiguresAreThoseOfAllWorkersThatEverCounted) {
  count(7, counted({.allowed = 3, .traps = 1}), 0);
  count(7, counted({.blocked = 2}), 1);
  count(8, counted({.allowed = 100}), 1);
  EXPECT_EQ(figures_of(*scoreboard_, 7), counted({.allowed = 3, .blocked = 2, .traps = 1}));
  EXPECT_EQ(figures_of(*scoreboard_, 9), Figures{});
}

}  // namespace
}  // namespace secbeat::agent
