// The bounds within which a module runs, and who shares its memory. Defaults are the product's (docs/configuration.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace secbeat::engine {

struct Limits {
  std::chrono::milliseconds call_budget{5};          // CPU time of one inspection, never wall-clock time
  std::chrono::milliseconds configure_budget{2000};  // CPU time of configure
  std::size_t memory_bytes = std::size_t{16} << 20U;

  bool operator==(const Limits&) const = default;
};

// kInstance: an instance answers requests until it fails, and what it keeps in its memory stays there between them.
// kRequest: each request has a fresh instance, so that none meets what another one left. For modules without configure.
enum class Isolation : std::uint8_t { kInstance, kRequest };

}  // namespace secbeat::engine
