#include "secbeat/base/clock.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace secbeat {
namespace {

TEST(Rfc3339, WritesEveryMomentThatANumberOfMillisecondsCanName) {
  EXPECT_EQ(rfc3339(time_of_unix_ms(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(time_of_unix_ms(1763946003999)), "2025-11-24T01:00:03Z");
  EXPECT_EQ(rfc3339(time_of_unix_ms(std::numeric_limits<std::uint64_t>::max())), "9999-12-31T23:59:59Z");
}

}  // namespace
}  // namespace secbeat
