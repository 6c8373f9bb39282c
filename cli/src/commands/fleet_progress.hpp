// Follows a rollout until it has ended, and shows its waves by node while it goes on.
#pragma once

#include <string>

#include "node_api/client.hpp"
#include "secbeat/base/error.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {

// The rollout as it ended. On a terminal each change is a line on standard error. An orchestrator that does not answer
// is asked again for a while: another one may go on with the rollout.
Result<Json> follow_rollout(const Client& client, const std::string& id);

// One line for what a rollout does now, such as "wave 2 of 3: committing, 4 of 9 nodes".
std::string rollout_line(const Json& rollout);

}  // namespace secbeat::cli
