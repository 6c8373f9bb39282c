// Where the other executables and files of this installation are.
//
// Thread safety: free functions without state.
#pragma once

#include <filesystem>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat {

// The compiler in a process of its own: what the agent and secbeat compile run.
inline constexpr std::string_view kCompileProgram = "secbeat-compile";

// libexec/<name>, relative to the running executable, in a build folder and installed. kConfig with the places that
// were looked at.
Result<std::filesystem::path> find_own_program(std::string_view name);

// The rule module <name>.wasm that comes with this installation, relative to the running executable; where it would be,
// where there is none.
std::filesystem::path find_own_guest(std::string_view name);

// The folder of the scripts that secbeat demo runs. kConfig where it is not there.
Result<std::filesystem::path> find_own_demo();

// The folder of the SDK for rule modules that comes with this installation. kConfig where it is not there.
Result<std::filesystem::path> find_own_sdk();

}  // namespace secbeat
