// How many new rules have come within the last minute.
//
// Thread safety: owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "secbeat/base/clock.hpp"

namespace secbeat::orchestrator {

class Arrivals {
 public:
  explicit Arrivals(std::size_t most_per_minute) : most_(most_per_minute) {}

  // 0: it may come, and is counted. Else the seconds after which it may.
  std::uint32_t take(SteadyTime now) {
    const std::uint32_t seconds = wait(now);
    if (seconds == 0 && most_ > 0) times_.push_back(now);
    return seconds;
  }
  // The same of one that is not counted.
  std::uint32_t wait(SteadyTime now) {
    constexpr std::chrono::seconds kMinute{60};
    while (!times_.empty() && now - times_.front() >= kMinute) times_.pop_front();
    if (times_.size() < most_ || most_ == 0) return 0;
    const auto wait = std::chrono::ceil<std::chrono::seconds>(times_.front() + kMinute - now);
    return static_cast<std::uint32_t>(wait.count());
  }

 private:
  const std::size_t most_;
  std::deque<SteadyTime> times_;
};

}  // namespace secbeat::orchestrator
