// The bounds within which a module runs. Defaults are the product's (docs/configuration.md).
#pragma once

#include <chrono>
#include <cstddef>

namespace secbeat::engine {

struct Limits {
  std::chrono::milliseconds call_budget{5};          // CPU time of one inspection, never wall-clock time
  std::chrono::milliseconds configure_budget{2000};  // CPU time of configure
  std::size_t memory_bytes = std::size_t{16} << 20U;

  bool operator==(const Limits&) const = default;
};

}  // namespace secbeat::engine
