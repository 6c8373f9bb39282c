// What a module costs a request, as the rehearsal counts it.
#pragma once

#include <cstdint>
#include <string>

namespace secbeat::engine {

enum class Costing : std::uint8_t { kRun, kSkip };

// Of the most expensive sample request: Wasmtime's fuel, about one for each instruction of the module, the same on
// every machine.
struct Cost {
  std::uint64_t fuel = 0;
  std::string request;    // its name
  bool at_least = false;  // there may be more: a request was stopped, and none after it was counted

  bool operator==(const Cost&) const = default;
};

// A request is stopped there, and none after it is counted: far above what any inspection may take.
inline constexpr std::uint64_t kMostFuel = 1'000'000'000;

}  // namespace secbeat::engine
