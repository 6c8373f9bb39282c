// Time as a dependency, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace secbeat {

using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

// Thread safety: every method may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SystemTime now() const = 0;     // what people and the ledger read
  [[nodiscard]] virtual SteadyTime steady() const = 0;  // for durations and deadlines
  // For ends that several processes agree on and that no change of the clock moves; counts on while the machine sleeps.
  [[nodiscard]] virtual std::chrono::milliseconds since_boot() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady().time_since_epoch());
  }
};

class RealClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] std::chrono::milliseconds since_boot() const override;
};

inline std::uint64_t unix_ms_of(SystemTime time) { return static_cast<std::uint64_t>(time.time_since_epoch().count()); }
// At most the year 9999, the last that RFC 3339 can write.
inline SystemTime time_of_unix_ms(std::uint64_t ms) {
  constexpr std::uint64_t kLast = 253402300799000;
  return SystemTime{std::chrono::milliseconds(static_cast<std::int64_t>(ms < kLast ? ms : kLast))};
}

// RFC 3339 in UTC to the second, such as "2025-11-24T01:00:03Z".
std::string rfc3339(SystemTime time);
// Moments such as 2025-11-24T01:00:03Z and 2025-11-24T01:00:03.5+01:00.
std::optional<SystemTime> parse_rfc3339(std::string_view text);

}  // namespace secbeat
