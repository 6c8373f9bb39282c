// The command line as one tree: parsing, --help, completion and the manual pages all come from it.
#pragma once

#include "commands/commands.hpp"

namespace CLI {
class App;
}

namespace secbeat::cli {

// Adds every command to `app`. Parsing leaves in `run` what to do; both outlive the parse.
void build_app(CLI::App& app, Run& run);

}  // namespace secbeat::cli
