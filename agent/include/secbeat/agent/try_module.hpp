// A module judged as a node would judge it, without a node.
//
// Thread safety: a free function without shared state; blocks its caller for as long as a compile may take.
#pragma once

#include <filesystem>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::agent {

// Validates, compiles and rehearses in the compile child, within the limits that a node has by default. `config` may be
// empty. The module's own error is in the report, and so is the end of a child that was killed for it: its time or its
// memory ran out. Errors of the result: the child could not be started or watched, a file could not be read.
Result<engine::CompileReport> try_module(const std::filesystem::path& module, const std::filesystem::path& config);

}  // namespace secbeat::agent
