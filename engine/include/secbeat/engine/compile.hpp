// From a module's bytes to a checked artifact. Only in builds with the compiler (secbeat::compiler), and
// in production only in the compile child: a compile cannot be cancelled, a process can.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/engine/limits.hpp"

namespace secbeat::engine {

enum class Rehearsal : std::uint8_t { kRun, kSkip };

// One job of the compile child. Exactly one of `module` and `artifact` is given.
struct CompileJob {
  std::filesystem::path module;    // the WebAssembly binary: validate, compile, write `output`
  std::filesystem::path artifact;  // or an artifact made earlier (the bytes have not changed): only rehearse
  std::string artifact_sha256;     // of `artifact`
  std::filesystem::path config;    // empty: none
  std::filesystem::path output;    // where the artifact goes: whole or not at all, and not synced; empty: nowhere
  std::size_t max_module_bytes = std::size_t{4} << 20U;
  Limits limits;
  Rehearsal rehearsal = Rehearsal::kRun;
};

struct CompileReport {
  std::optional<Error> error;  // the first check that failed
  std::string artifact_sha256;
  std::uint64_t artifact_bytes = 0;
  std::string inventory;  // the module's inventory() as JSON text, empty where it has none
  int abi = 1;
  bool exports_configure = false;
  bool needs_body = true;
  double validate_ms = 0;
  double compile_ms = 0;
  double rehearse_ms = 0;
  std::vector<std::string> warnings;
};

// Does the job in this process. An error of the module is in the report; only a broken job (a file
// that cannot be read or written) is an Error of the result.
Result<CompileReport> run_compile_job(const CompileJob& job);

// Limits this process as the compile child: RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CORE 0, nice 10.
// Not RLIMIT_AS: the engine reserves 4 GiB of address space for each memory.
Result<void> confine_compile_child(std::size_t data_bytes, std::size_t file_bytes);

// The report as one JSON object, and back. A report that does not parse is kProtocol.
std::string to_json(const CompileReport& report);
Result<CompileReport> compile_report_from_json(std::string_view text);

// Names of the built-in sample requests, in the order in which they are rehearsed ("get-root", …).
std::vector<std::string_view> sample_names();

}  // namespace secbeat::engine
