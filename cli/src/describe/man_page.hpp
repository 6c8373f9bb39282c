// Manual pages in man(7), made from the tree of commands.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>

#include "describe/command_tree.hpp"

namespace secbeat::cli {

// The page of one command of `program`, or of the program itself.
std::string man_page(const CommandInfo& program, const CommandInfo& command);

// Its file: "secbeat-reload.1".
std::string man_file(const CommandInfo& command);

}  // namespace secbeat::cli
