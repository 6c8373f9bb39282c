#include "secbeat/control/rate_limiter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "siphash.hpp"

namespace secbeat::control {
namespace {

constexpr std::size_t kWays = 8;
constexpr std::size_t kSets = kRateEntries / kWays;
static_assert((kSets & (kSets - 1)) == 0);

constexpr double kNsPerSecond = 1e9;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
// No sum of two times below this overflows.
constexpr std::uint64_t kMaxNs = std::uint64_t{1} << 61U;

std::uint64_t interval_of(double per_second) {
  const double interval = std::round(kNsPerSecond / per_second);
  return static_cast<std::uint64_t>(std::clamp(interval, 1.0, static_cast<double>(kMaxNs)));
}

std::uint64_t saturated_product(std::uint64_t interval_ns, std::uint32_t burst) {
  return interval_ns > kMaxNs / std::max(burst, 1U) ? kMaxNs : interval_ns * burst;
}

// The bucket of this key. Where the set has none, the entry whose bucket is full soonest becomes it; a free
// entry's is full since the machine started.
//
// Two processes that meet here lose at most a request's count: a bucket that runs ahead is emptied before it
// gets its new key, and one that is full already is what a new address starts with.
Counter& bucket_of(RateEntry* set, std::uint64_t key, std::uint64_t now_ns) {
  for (;;) {
    RateEntry* soonest = set;
    std::uint64_t soonest_ns = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t soonest_key = 0;
    for (RateEntry* entry = set; entry != set + kWays; ++entry) {
      const std::uint64_t entry_key = entry->key.load(std::memory_order_acquire);
      if (entry_key == key) return entry->tat_ns;
      const std::uint64_t tat_ns = entry->tat_ns.load(std::memory_order_relaxed);
      if (tat_ns < soonest_ns) {
        soonest = entry;
        soonest_ns = tat_ns;
        soonest_key = entry_key;
      }
    }
    if (soonest_ns > now_ns &&
        !soonest->tat_ns.compare_exchange_strong(soonest_ns, now_ns, std::memory_order_relaxed)) {
      continue;
    }
    if (soonest->key.compare_exchange_strong(soonest_key, key, std::memory_order_acq_rel)) return soonest->tat_ns;
  }
}

}  // namespace

RateLimiter::RateLimiter(ScoreboardLayout& layout, double per_second, std::uint32_t burst) noexcept
    : layout_(layout), interval_ns_(interval_of(per_second)), burst_ns_(saturated_product(interval_ns_, burst)) {}

RateLimiter::Decision RateLimiter::count(std::string_view address, std::uint64_t now_ns) noexcept {
  const std::uint64_t hash = siphash(layout_.header.hash_seed, address);
  const std::uint64_t key = hash == 0 ? 1 : hash;
  Counter& bucket = bucket_of(&layout_.rates[(key & (kSets - 1)) * kWays], key, now_ns);

  std::uint64_t tat_ns = bucket.load(std::memory_order_relaxed);
  for (;;) {
    // No bucket runs further ahead than the burst; one that does was written before this boot of the machine, or
    // under a larger burst.
    const std::uint64_t start_ns = std::clamp(tat_ns, now_ns, now_ns + burst_ns_);
    const std::uint64_t next_ns = start_ns + interval_ns_;
    if (next_ns > now_ns + burst_ns_) {
      const std::uint64_t wait_ns = next_ns - now_ns - burst_ns_;
      const std::uint64_t seconds = (wait_ns + kSecondNs - 1) / kSecondNs;
      return {false, static_cast<std::uint32_t>(
                         std::clamp<std::uint64_t>(seconds, 1, std::numeric_limits<std::uint32_t>::max()))};
    }
    if (bucket.compare_exchange_weak(tat_ns, next_ns, std::memory_order_relaxed)) return {true, 0};
  }
}

}  // namespace secbeat::control
