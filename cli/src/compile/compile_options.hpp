// The words of a compile, of which secbeat compile and the executable behind it have the same.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "secbeat/engine/compile.hpp"

namespace secbeat::cli {

struct CompileOptions {
  engine::CompileJob job;
  std::string module, artifact, config, rule_tests, output, counting, counting_output;
  std::int64_t rule_tests_time_ms = 15'000;
  std::int64_t deadline_ms = 5;
  std::int64_t configure_deadline_ms = 2000;
  std::size_t memory_limit_mib = 16;
  std::size_t data_limit_mib = 2048;
  std::size_t file_limit_mib = 256;
  std::string for_release;
  bool no_rehearsal = false;
  bool no_cost = false;
  bool child = false;
  bool try_escapes = false;
  bool json = false;

  [[nodiscard]] engine::CompileJob finished_job() const;
};

// What bounds a module while it runs, for every command that runs one.
void add_limits(CLI::App& command, CompileOptions& options);

// All of secbeat compile.
void add_compile_options(CLI::App& command, CompileOptions& options);

}  // namespace secbeat::cli
