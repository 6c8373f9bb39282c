// Whether a node can run here: what `secbeat doctor` tells. Looks and tries, and leaves nothing behind.
//
// Thread safety: free functions without shared state; they start processes and wait for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

// kWarning: a node runs, and something of it will not be as it could. kFailure: a node does not run, or not safely.
enum class Health : std::uint8_t { kOk, kWarning, kFailure };
// "ok", "warn", "fail"
std::string_view word_of(Health health) noexcept;

struct Finding {
  std::string check;  // "nginx", "api port", …
  Health health = Health::kOk;
  std::string found;
  std::string advice;  // what to do; empty where there is nothing to be done
};

// What a node has where no configuration is given: its defaults.
Config default_config();

// nginx, our module in it, limits, the kernel, the compile child. Of `config` only what says which nginx.
std::vector<Finding> examine_machine(const Config& config);
// What this configuration needs: its files, its folders and whether nginx' workers reach them, its ports.
std::vector<Finding> examine_node(const Config& config);

}  // namespace secbeat::agent
