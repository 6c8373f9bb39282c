// Time as a dependency, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <string>

namespace secbeat {

using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

// Thread safety: every method may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SystemTime now() const = 0;     // what people and the ledger read
  [[nodiscard]] virtual SteadyTime steady() const = 0;  // for durations and deadlines
};

class RealClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

// RFC 3339 in UTC to the second, such as "2025-11-24T01:00:03Z".
std::string rfc3339(SystemTime time);

}  // namespace secbeat
