// Token buckets by source address for verdict RateLimit, in the scoreboard, shared by all workers.
//
// The generic cell rate algorithm: a bucket is one number, the time at which it would be full again, moved by
// compare-and-set. The table is fixed: a key has kWays places; where all are taken, the bucket that is full
// soonest gives way, which forgets at most one burst of one address. Nothing waits, nothing allocates.
//
// Thread safety: allow() may be called from any thread and process.
#pragma once

#include <cstdint>
#include <string_view>

#include "secbeat/control/scoreboard.hpp"

namespace secbeat::control {

class RateLimiter {
 public:
  struct Decision {
    bool allowed;
    std::uint32_t retry_after_seconds;  // at least 1 where not allowed
  };
  // REQUIRES: per_second > 0, burst >= 1.
  RateLimiter(ScoreboardLayout& layout, double per_second, std::uint32_t burst) noexcept;
  // Counts one request against the bucket of `address`. now_ns: CLOCK_MONOTONIC.
  Decision count(std::string_view address, std::uint64_t now_ns) noexcept;

 private:
  ScoreboardLayout& layout_;
  std::uint64_t interval_ns_;  // between two requests at the allowed rate
  std::uint64_t burst_ns_;     // how far ahead a bucket may run
};

}  // namespace secbeat::control
