// Whether a wave hurts.
//
// Thread safety: free functions without state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "secbeat/fleet/documents.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

// Of several nodes: sums, and the longest p99.
struct Totals {
  std::uint64_t requests = 0;
  std::uint64_t stopped = 0;  // blocked or rate-limited
  std::uint64_t errors = 0;
  std::uint64_t p99_ns = 0;

  void add(const fleet::Counts& counts);
};

// What happened between two reports of the same version; `later` whole where it counts anew.
fleet::Counts since(const fleet::Counts& earlier, const fleet::Counts& later);

// Why the wave hurts; nothing: it does not, as far as can be told. `baseline` is what its nodes did before, `others`
// what nodes not yet reached did meanwhile.
std::optional<std::string> judge(const GateLimits& limits, const Totals& wave, const Totals& baseline,
                                 const Totals& others);

}  // namespace secbeat::orchestrator
