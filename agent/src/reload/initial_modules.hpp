// The modules that the configuration file names, as they are read at start.
//
// Thread safety: free functions over values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reload_pipeline.hpp"

namespace secbeat::agent {

struct InitialModule {
  std::string name;
  std::optional<Candidate> candidate;  // empty: its files cannot be used, and what is in force does not need them
  std::string problem;                 // why not
  std::optional<std::string> signature = {};  // the text of the file .sig beside it
};

// In the order of the file. A module is called as the file says, else as its bytes say, else as its own file; where
// that cannot be read, as the slot in its place. An error where a module that is not in force cannot be
// read, and where two have one name.
Result<std::vector<InitialModule>> read_initial_modules(const Config& config, const control::InForce& found);

}  // namespace secbeat::agent
