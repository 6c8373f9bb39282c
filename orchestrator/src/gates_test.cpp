#include "gates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::orchestrator {
namespace {

using ::testing::HasSubstr;

Totals totals(std::uint64_t requests, std::uint64_t stopped, std::uint64_t errors = 0, std::uint64_t p99_ns = 0) {
  return {.requests = requests, .stopped = stopped, .errors = errors, .p99_ns = p99_ns};
}

TEST(Gates, HoldTheWaveAgainstWhatWasThereBefore) {
  EXPECT_FALSE(judge({}, totals(1000, 100), totals(1000, 50), {}));
  EXPECT_THAT(judge({}, totals(1000, 400), totals(1000, 50), {}).value_or(""),
              HasSubstr("blocked or rate-limited requests of the wave: 40.00 %, against 5.00 %"));
  EXPECT_FALSE(judge({}, totals(400, 400), totals(1000, 50), {})) << "too few to tell";
  EXPECT_FALSE(judge({}, totals(1000, 400), totals(400, 0), {})) << "nothing to hold it against";
}

TEST(Gates, LetPassWhatHappensElsewhereToo) {
  EXPECT_FALSE(judge({}, totals(1000, 400), totals(1000, 50), totals(5000, 1900))) << "an attack on all";
  EXPECT_TRUE(judge({}, totals(1000, 400), totals(1000, 50), totals(5000, 250)));
}

TEST(Gates, NeedNothingToCompareErrorsWith) {
  EXPECT_THAT(judge({}, totals(100, 0, 20), {}, {}).value_or(""), HasSubstr("errors of the wave: 20 in 100 requests"));
  EXPECT_FALSE(judge({}, totals(100, 0, 19), {}, {}));
  EXPECT_FALSE(judge({}, totals(10000, 0, 100), {}, {})) << "one in a hundred";
  EXPECT_FALSE(judge({}, totals(1000, 0, 60), totals(1000, 0, 60), {})) << "no worse than before";
}

TEST(Gates, TellWhereInspectionTakesTooLong) {
  EXPECT_THAT(judge({}, totals(1000, 0, 0, 9'000'000), totals(1000, 0, 0, 1'000'000), {}).value_or(""),
              HasSubstr("p99 of inspection of the wave: 9.00 ms, against 1.00 ms"));
  EXPECT_FALSE(judge({}, totals(1000, 0, 0, 4'000'000), totals(1000, 0, 0, 1'000'000), {}));
  EXPECT_FALSE(judge({}, totals(1000, 0, 0, 1'900'000), totals(1000, 0, 0, 40'000), {})) << "below the floor";
  EXPECT_FALSE(judge({}, totals(1000, 0, 0, 9'000'000), totals(1000, 0), {})) << "nobody measured before";
}

TEST(Gates, CountFromTheEarlierReportAndAnewWhereTheNodeDoes) {
  EXPECT_EQ(since({.inspected = 10, .blocked = 1}, {.inspected = 30, .blocked = 4, .p99_ns = 5}),
            (fleet::Counts{.inspected = 20, .blocked = 3, .p99_ns = 5}));
  EXPECT_EQ(since({.inspected = 10, .blocked = 1}, {.inspected = 4}), (fleet::Counts{.inspected = 4}));
}

}  // namespace
}  // namespace secbeat::orchestrator
