// What agent and command line write alike: when something is demanded and ends, and by whom.
//
// Thread safety: free functions without state.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "secbeat/base/clock.hpp"
#include "secbeat/control/break_glass.hpp"

namespace secbeat::agent {

inline std::uint64_t milliseconds_of(std::chrono::milliseconds lasts) {
  return static_cast<std::uint64_t>(lasts.count());
}

inline control::Moment moment_of(const Clock& clock) {
  return {.unix_ms = unix_ms_of(clock.now()), .boot_ms = milliseconds_of(clock.since_boot())};
}

// 0 `lasts`: without an end.
inline control::Statement statement_of(const control::Moment& now, std::string by, std::string reason,
                                       std::chrono::milliseconds lasts) {
  return {.since_unix_ms = now.unix_ms,
          .until_unix_ms = lasts.count() == 0 ? 0 : now.unix_ms + milliseconds_of(lasts),
          .by = std::move(by),
          .reason = std::move(reason)};
}

}  // namespace secbeat::agent
