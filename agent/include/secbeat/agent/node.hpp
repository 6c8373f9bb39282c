// A node: wires ledger, hub, nginx and API together and runs until SIGTERM or SIGINT.
#pragma once

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

// Exit status: 0 stopped as asked, 1 failed (said on standard error and in the log).
// Takes the lock on config.data_dir; where another process holds it: its pid is told, status 1.
int run_node(const Config& config);

}  // namespace secbeat::agent
