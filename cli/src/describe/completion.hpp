// Completion scripts, made from the tree of commands.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>

#include "describe/command_tree.hpp"

namespace secbeat::cli {

// For `source <(secbeat completion bash)`, or as a file of /usr/share/bash-completion/completions. Needs nothing else.
std::string bash_completion(const CommandInfo& program);

// For `source <(secbeat completion zsh)`, or as _secbeat in a folder of $fpath.
std::string zsh_completion(const CommandInfo& program);

}  // namespace secbeat::cli
