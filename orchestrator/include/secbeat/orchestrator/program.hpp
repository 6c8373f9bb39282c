// The program `secbeat orchestrator`: connects to NATS, serves the API, and goes on with rollouts that others have
// left.
//
// Thread safety: called once, from the main thread.
#pragma once

#include "secbeat/agent/config.hpp"

namespace secbeat::orchestrator {

// Whether the files that [api] names can be used. kConfig says what is wrong.
Result<void> check_files(const agent::Config& config);

// Serves until SIGTERM or SIGINT; the exit status. REQUIRES: the configuration of Program::kOrchestrator.
int run_orchestrator(const agent::Config& config);

}  // namespace secbeat::orchestrator
