// A module judged as a node would judge it, without a node.
//
// Thread safety: free functions without shared state; they block their caller for as long as a compile may take.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::agent {

// Validates, compiles and rehearses in the compile child, within the limits that a node has by default. `config` may be
// empty. The module's own error is in the report, and so is the end of a child that was killed for it: its time or its
// memory ran out. Errors of the result: the child could not be started or watched, a file could not be read.
// `rule_tests` are run where they are given.
Result<engine::CompileReport> try_module(const std::filesystem::path& module, const std::filesystem::path& config,
                                         const std::filesystem::path& rule_tests = {});

// How the compile child is confined on this machine.
struct EscapeReport {
  bool filters_calls = false;
  int landlock_version = 0;
  std::size_t attempts = 0;
  std::vector<std::string> succeeded;  // what it should not have been able to do
};

// Starts a child that confines itself as for a compile and tries to get out.
Result<EscapeReport> try_escapes();

}  // namespace secbeat::agent
