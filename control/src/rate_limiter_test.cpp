#include "secbeat/control/rate_limiter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "siphash.hpp"

namespace secbeat::control {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1'000 * kSecond;

class RateLimiterTest : public ::testing::Test {
 protected:
  RateLimiterTest() : layout_(std::make_unique<ScoreboardLayout>()) {
    layout_->header.hash_seed[0] = 1;
    layout_->header.hash_seed[1] = 2;
  }

  static std::uint32_t allowed(RateLimiter& limiter, std::string_view address, std::uint64_t now_ns, int requests) {
    std::uint32_t count = 0;
    for (int i = 0; i < requests; ++i) count += limiter.count(address, now_ns).allowed ? 1U : 0U;
    return count;
  }

  std::unique_ptr<ScoreboardLayout> layout_;
};

TEST_F(RateLimiterTest, AllowsExactlyTheBurstAtOnce) {
  RateLimiter limiter(*layout_, 10, 20);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart, 100), 20U);
}

TEST_F(RateLimiterTest, RefillsOneRequestEachInterval) {
  RateLimiter limiter(*layout_, 10, 20);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart, 100), 20U);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart + kSecond / 10 - 1, 5), 0U);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart + kSecond / 10, 5), 1U);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart + kSecond, 100), 9U);
  EXPECT_EQ(allowed(limiter, "10.0.0.1", kStart + 100 * kSecond, 100), 20U);  // and never more than the burst
}

TEST_F(RateLimiterTest, HoldsTheRateForEver) {
  RateLimiter limiter(*layout_, 10, 20);
  std::uint32_t count = 0;
  for (std::uint64_t ms = 0; ms < 100'000; ++ms) {
    count += limiter.count("10.0.0.1", kStart + ms * 1'000'000).allowed ? 1U : 0U;
  }
  EXPECT_EQ(count, 20U + 999U);  // the burst, and one each 100 ms up to 99,999 ms
}

TEST_F(RateLimiterTest, SaysHowLongToWait) {
  RateLimiter slow(*layout_, 0.1, 1);
  EXPECT_TRUE(slow.count("a", kStart).allowed);
  EXPECT_EQ(slow.count("a", kStart).retry_after_seconds, 10U);
  EXPECT_EQ(slow.count("a", kStart + kSecond / 2).retry_after_seconds, 10U);
  EXPECT_EQ(slow.count("a", kStart + kSecond).retry_after_seconds, 9U);
  EXPECT_EQ(slow.count("a", kStart + 10 * kSecond - 1).retry_after_seconds, 1U);
  EXPECT_TRUE(slow.count("a", kStart + 10 * kSecond).allowed);
}

TEST_F(RateLimiterTest, AddressesDoNotShareABucket) {
  RateLimiter limiter(*layout_, 1, 2);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(allowed(limiter, "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250), kStart, 3), 2U);
  }
}

TEST_F(RateLimiterTest, WorkersShareABucket) {
  RateLimiter one(*layout_, 1, 4);
  RateLimiter other(*layout_, 1, 4);
  EXPECT_EQ(allowed(one, "::1", kStart, 3) + allowed(other, "::1", kStart, 3), 4U);
}

TEST_F(RateLimiterTest, AFullTableForgetsTheBucketThatIsFullSoonest) {
  RateLimiter limiter(*layout_, 1, 2);
  // Far more addresses than places. Each still gets its burst; none is refused because of the others.
  for (int i = 0; i < 200'000; ++i) ASSERT_TRUE(limiter.count(std::to_string(i), kStart).allowed) << i;
  // One that has used its whole burst runs further ahead than those, and stays.
  EXPECT_EQ(allowed(limiter, "hammer", kStart, 5), 2U);
  for (int i = 0; i < 200'000; ++i) limiter.count("x" + std::to_string(i), kStart);
  EXPECT_FALSE(limiter.count("hammer", kStart).allowed);
}

TEST_F(RateLimiterTest, TimesOfAnEarlierBootDoNotLockAnyoneOut) {
  RateLimiter limiter(*layout_, 1, 2);
  EXPECT_EQ(allowed(limiter, "a", 1'000'000 * kSecond, 5), 2U);
  EXPECT_FALSE(limiter.count("a", kStart).allowed);
  EXPECT_LE(limiter.count("a", kStart).retry_after_seconds, 1U);
}

TEST_F(RateLimiterTest, ExtremeSettingsStayInRange) {
  RateLimiter never(*layout_, 1e-12, 0xffffffff);
  EXPECT_TRUE(never.count("a", kStart).allowed);
  EXPECT_FALSE(never.count("a", kStart).allowed);
  EXPECT_EQ(never.count("a", kStart).retry_after_seconds, 2305843010U);  // 2^61 ns
  RateLimiter always(*layout_, 1e12, 1);
  EXPECT_TRUE(always.count("b", kStart).allowed);
  EXPECT_TRUE(always.count("b", kStart + 1).allowed);
}

TEST_F(RateLimiterTest, ThreadsTogetherGetExactlyWhatIsAllowed) {
  constexpr std::uint32_t kBurst = 50;
  constexpr int kAddresses = 40;
  constexpr std::uint64_t kSteps = 20;
  std::vector<std::atomic<std::uint32_t>> counts(kAddresses);
  // The time stands still for a step and goes on by one interval when every thread has finished it.
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, step] {
        RateLimiter limiter(*layout_, 10, kBurst);
        for (int i = 0; i < kAddresses * 20; ++i) {
          const int address = i % kAddresses;
          if (limiter.count("10.1.1." + std::to_string(address), kStart + step * kSecond / 10).allowed) {
            counts[static_cast<std::size_t>(address)].fetch_add(1);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& count : counts) EXPECT_EQ(count.load(), kBurst + kSteps - 1);
}

TEST(SipHash, AgreesWithThePublishedVectors) {
  const std::uint64_t key[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  EXPECT_EQ(siphash(key, ""), 0x726fdb47dd0e0e31ULL);
  std::string bytes;
  for (char c = 0; c < 15; ++c) bytes += c;
  EXPECT_EQ(siphash(key, bytes), 0xa129ca6149be45e5ULL);
}

}  // namespace
}  // namespace secbeat::control
