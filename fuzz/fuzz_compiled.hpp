// A guest of this folder, compiled once for a process.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "fuzz_support.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::fuzz {

inline std::string compiled_guest(const std::string& name) {
  char folder[] = "/tmp/secbeat-fuzz-guest-XXXXXX";
  require(::mkdtemp(folder) != nullptr);
  engine::CompileJob job;
  job.module = std::filesystem::path(SECBEAT_GUESTS_DIR) / (name + ".wasm");
  job.output = std::filesystem::path(folder) / "artifact";
  job.rehearsal = engine::Rehearsal::kSkip;
  const auto report = engine::run_compile_job(job);
  require(report && !report->error);
  const auto artifact = read_file(job.output, std::size_t{16} << 20U);
  std::filesystem::remove_all(folder);
  require(artifact.has_value());
  return *artifact;
}

}  // namespace secbeat::fuzz
