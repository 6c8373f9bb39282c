#include "secbeat/agent/try_module.hpp"

#include "compile_child.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/base/own_programs.hpp"

namespace secbeat::agent {

Result<engine::CompileReport> try_module(const std::filesystem::path& module, const std::filesystem::path& config) {
  const Config defaults;
  auto program = find_own_program(kCompileProgram);
  if (!program) return std::unexpected(program.error());
  CompileChildOptions options;
  options.program = *std::move(program);
  options.timeout = defaults.compile_timeout;
  options.data_bytes = defaults.compile_memory_bytes;
  auto child = CompileChild::open(std::move(options));
  if (!child) return std::unexpected(child.error());
  engine::CompileJob job;
  job.module = module;
  job.config = config;
  job.max_module_bytes = defaults.max_module_bytes;
  job.limits = defaults.limits;
  auto report = (*child)->run(job, CancelToken());
  if (report) return report;
  switch (report.error().code) {
    case ErrorCode::kCompileTimeout:
    case ErrorCode::kMemoryLimit:
    case ErrorCode::kCompileFailed: {
      engine::CompileReport killed;
      killed.error = std::move(report.error());
      return killed;
    }
    default:
      return report;
  }
}

}  // namespace secbeat::agent
