#include "secbeat/http/access.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace secbeat::http {
namespace {

using namespace std::chrono_literals;

TEST(WrongKeys, GiveOneMoreEachInterval) {
  WrongKeys wrong;
  const SteadyTime start{1000s};
  for (std::uint32_t i = 0; i < WrongKeys::kBurst; ++i) EXPECT_TRUE(wrong.count("192.0.2.1", start).allowed);
  const auto refused = wrong.count("192.0.2.1", start);
  EXPECT_FALSE(refused.allowed);
  EXPECT_TRUE(refused.first_refused);
  EXPECT_EQ(refused.retry_after_seconds, WrongKeys::kInterval.count());
  EXPECT_FALSE(wrong.count("192.0.2.1", start).first_refused);
  EXPECT_TRUE(wrong.count("192.0.2.2", start).allowed);
  EXPECT_TRUE(wrong.count("192.0.2.1", start + WrongKeys::kInterval).allowed);
  EXPECT_TRUE(wrong.count("192.0.2.1", start + WrongKeys::kInterval).first_refused);
}

TEST(WrongKeys, OfOneNetworkOfIPv6AreOfOneCaller) {
  WrongKeys wrong;
  const SteadyTime start{1000s};
  for (std::uint32_t i = 0; i < WrongKeys::kBurst; ++i) {
    EXPECT_TRUE(wrong.count(fmt::format("2001:db8:0:1::{:x}", i + 1), start).allowed);
  }
  EXPECT_FALSE(wrong.count("2001:db8:0:1:ffff::1", start).allowed);
  EXPECT_TRUE(wrong.count("2001:db8:0:2::1", start).allowed);
}

TEST(WrongKeys, OfTenThousandAddressesTakeNoMoreRoomAndLimitTheNextAllTheSame) {
  WrongKeys wrong;
  const SteadyTime start{1000s};
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(wrong.count(fmt::format("10.0.{}.{}", i / 256, i % 256), start).allowed);
  }
  for (std::uint32_t i = 0; i < WrongKeys::kBurst; ++i) EXPECT_TRUE(wrong.count("192.0.2.1", start).allowed);
  EXPECT_FALSE(wrong.count("192.0.2.1", start).allowed);
  // The places of an address that is limited are not taken by those that came once.
  for (int i = 0; i < 10'000; ++i) wrong.count(fmt::format("10.1.{}.{}", i / 256, i % 256), start);
  EXPECT_FALSE(wrong.count("192.0.2.1", start).allowed);
}

}  // namespace
}  // namespace secbeat::http
