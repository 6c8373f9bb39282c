#include "judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::counted;
using testing::Counts;
using ::testing::HasSubstr;

struct JudgeCase {
  const char* what;
  Counts since_swap;
  Counts last_second = {};
  Counts last_seconds = {};
  std::optional<Counts> baseline = std::nullopt;
  const char* evidence = nullptr;  // what its text has; null: none
};

void PrintTo(const JudgeCase& one, std::ostream* out) { *out << one.what; }

class JudgeTest : public ::testing::TestWithParam<JudgeCase> {};

TEST_P(JudgeTest, FindsWhatHurtsAndNothingElse) {
  const JudgeCase& one = GetParam();
  Scene scene{.since_swap = counted(one.since_swap),
              .last_second = counted(one.last_second),
              .last_seconds = counted(one.last_seconds),
              .baseline = std::nullopt,
              .baseline_version = "1.0.0"};
  if (one.baseline) scene.baseline = counted(*one.baseline);
  const auto evidence = judge(WatchLimits{}, scene);
  if (one.evidence == nullptr) {
    EXPECT_EQ(evidence, std::nullopt) << *evidence;
  } else {
    ASSERT_TRUE(evidence) << "found nothing";
    EXPECT_THAT(*evidence, HasSubstr(one.evidence));
  }
}

constexpr Counts kBefore{.allowed = 9900, .blocked = 100};

INSTANTIATE_TEST_SUITE_P(
    Cases, JudgeTest,
    ::testing::Values(
        JudgeCase{.what = "no request", .since_swap = {}},
        JudgeCase{.what = "nineteen errors", .since_swap = {.traps = 19}},
        JudgeCase{.what = "twenty errors",
                  .since_swap = {.traps = 20},
                  .evidence = "errors: 20 of 20 requests since the swap failed, 100.0 % (20 trap); limit 20 errors"},
        JudgeCase{.what = "errors of several kinds",
                  .since_swap = {.traps = 12, .deadlines = 8},
                  .evidence = "12 trap, 8 deadline"},
        JudgeCase{.what = "many errors among very many requests", .since_swap = {.allowed = 10000, .traps = 400}},
        JudgeCase{.what = "turned bad late",
                  .since_swap = {.allowed = 100000, .traps = 25},
                  .last_second = {.allowed = 0, .traps = 25},
                  .evidence = "in the last second"},
        JudgeCase{.what = "blocks everything, with nothing to compare", .since_swap = {.blocked = 5000}},
        JudgeCase{.what = "blocks everything, with too little to compare",
                  .since_swap = {.blocked = 5000},
                  .baseline = Counts{.allowed = 999}},
        JudgeCase{.what = "blocks everything, too few requests", .since_swap = {.blocked = 499}, .baseline = kBefore},
        JudgeCase{.what = "blocks everything",
                  .since_swap = {.blocked = 500},
                  .baseline = kBefore,
                  .evidence = "blocked: 100.0 % of 500 requests since the swap, 1.0 % of 10000 with 1.0.0 before it; "
                              "limit 25 points more"},
        JudgeCase{.what = "blocks everything from some moment on",
                  .since_swap = {.allowed = 100000, .blocked = 600},
                  .last_seconds = {.blocked = 600},
                  .baseline = kBefore,
                  .evidence = "in the last 5 s"},
        JudgeCase{.what = "blocks somewhat more", .since_swap = {.allowed = 800, .blocked = 200}, .baseline = kBefore},
        JudgeCase{.what = "blocks as much as before under attack",
                  .since_swap = {.allowed = 100, .blocked = 900},
                  .baseline = Counts{.allowed = 1000, .blocked = 9000}},
        JudgeCase{.what = "is flooded with what has to be blocked",
                  .since_swap = {.allowed = 1000, .blocked = 9000, .seconds = 10},
                  .baseline = Counts{.allowed = 9900, .blocked = 100, .seconds = 100}},
        JudgeCase{.what = "blocks half of what should pass",
                  .since_swap = {.allowed = 500, .blocked = 500, .seconds = 10},
                  .baseline = Counts{.allowed = 9900, .blocked = 100, .seconds = 100},
                  .evidence = "; 50.0 requests/s pass, 99.0 before; limit"},
        JudgeCase{.what = "blocks everything while traffic grows tenfold",
                  .since_swap = {.blocked = 10000, .seconds = 10},
                  .baseline = Counts{.allowed = 9900, .blocked = 100, .seconds = 100},
                  .evidence = "blocked: 100.0 %"},
        JudgeCase{.what = "blocks less", .since_swap = {.allowed = 1000}, .baseline = Counts{.blocked = 5000}},
        JudgeCase{.what = "limits everybody",
                  .since_swap = {.limited = 500},
                  .baseline = kBefore,
                  .evidence = "rate-limited: 100.0 %"},
        JudgeCase{.what = "slow",
                  .since_swap = {.allowed = 600, .bucket = 12},
                  .last_seconds = {.allowed = 600, .bucket = 12},
                  .baseline = kBefore,
                  .evidence = "inspection time: p99"},
        JudgeCase{.what = "slow, but not for long",
                  .since_swap = {.allowed = 600, .bucket = 12},
                  .last_seconds = {.allowed = 600, .bucket = 3},
                  .baseline = kBefore},
        JudgeCase{.what = "slower and still fast",
                  .since_swap = {.allowed = 600, .bucket = 9},
                  .last_seconds = {.allowed = 600, .bucket = 9},
                  .baseline = kBefore}));

TEST(JudgeLimits, AShareOrATimeWithALimitOfZeroIsNotLookedAt) {
  WatchLimits limits;
  limits.block_percent = 0;
  limits.p99_factor = 0;
  const Figures bad = counted({.blocked = 5000, .bucket = 12});
  const Scene scene{bad, bad, bad, counted(kBefore), "v1"};
  EXPECT_EQ(judge(limits, scene), std::nullopt);
  EXPECT_NE(judge(WatchLimits{}, scene), std::nullopt);
}

}  // namespace
}  // namespace secbeat::agent
