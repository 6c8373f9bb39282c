#include "baselines.hpp"

#include <gtest/gtest.h>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::seconds;
using testing::counted;

constexpr std::uint64_t kEnough = 1000;
const SteadyTime kStart{std::chrono::hours(1)};

TEST(BaselineTest, OnlyWhatAVersionDidWhileItServedIsItsBaseline) {
  Baseline baseline;
  baseline.begin(kStart, counted({.allowed = 5, .blocked = 900}));  // asked for others before it served
  baseline.note(kStart + seconds(1), counted({.allowed = 105, .blocked = 901}));
  baseline.end();
  EXPECT_EQ(baseline.figures(kEnough), counted({.allowed = 100, .blocked = 1, .seconds = 1}));
  baseline.begin(kStart + seconds(60), counted({.allowed = 105, .blocked = 5000}));
  baseline.note(kStart + seconds(61), counted({.allowed = 205, .blocked = 5000}));
  EXPECT_EQ(baseline.figures(kEnough), counted({.allowed = 200, .blocked = 1, .seconds = 2}));
}

TEST(BaselineTest, TheLastMinutesAreWhatCountsWhereTheyHoldEnough) {
  Baseline baseline;
  baseline.begin(kStart, {});
  std::uint64_t allowed = 0;
  std::uint64_t blocked = 0;
  for (int step = 1; step <= 180; ++step) {  // half an hour; for the first ten minutes everything was blocked
    (step <= 60 ? blocked : allowed) += 100;
    baseline.note(kStart + seconds(10 * step), counted({.allowed = allowed, .blocked = blocked}));
  }
  EXPECT_DOUBLE_EQ(baseline.figures(kEnough).block_percent(), 0);
  EXPECT_EQ(baseline.figures(1000000).requests(), 18000U) << "else all its time";
}

TEST(BaselinesTest, ThoseOfVersionsThatAreNotLoadedGo) {
  Baselines baselines;
  baselines.of(1).begin(kStart, {});
  baselines.of(2).begin(kStart, {});
  baselines.keep_only({2});
  EXPECT_EQ(baselines.find(1), nullptr);
  EXPECT_NE(baselines.find(2), nullptr);
}

}  // namespace
}  // namespace secbeat::agent
