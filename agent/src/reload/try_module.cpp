#include "secbeat/agent/try_module.hpp"

#include <nlohmann/json.hpp>

#include "compile_child.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/base/own_programs.hpp"

namespace secbeat::agent {

namespace {

Result<std::unique_ptr<CompileChild>> default_child(const Config& defaults) {
  auto program = find_own_program(kCompileProgram);
  if (!program) return std::unexpected(program.error());
  CompileChildOptions options;
  options.program = *std::move(program);
  options.timeout = defaults.compile_timeout;
  options.data_bytes = defaults.compile_memory_bytes;
  return CompileChild::open(std::move(options));
}

}  // namespace

Result<EscapeReport> try_escapes() {
  const auto child = default_child(Config{});
  if (!child) return std::unexpected(child.error());
  const auto said = (*child)->try_escapes();
  if (!said) return std::unexpected(said.error());
  try {
    const auto json = nlohmann::json::parse(*said);
    EscapeReport report{.filters_calls = json.at("filters_calls"),
                        .landlock_version = json.at("landlock_version"),
                        .attempts = json.at("attempts").size(),
                        .succeeded = {}};
    for (const auto& attempt : json.at("attempts")) {
      if (!attempt.at("refused")) report.succeeded.push_back(attempt.at("what"));
    }
    return report;
  } catch (const nlohmann::json::exception&) {
    return fail(ErrorCode::kCompileFailed, "The compile process answered with something that is no report");
  }
}

Result<engine::CompileReport> try_module(const std::filesystem::path& module, const std::filesystem::path& config,
                                         const std::filesystem::path& rule_tests) {
  const Config defaults;
  auto child = default_child(defaults);
  if (!child) return std::unexpected(child.error());
  engine::CompileJob job;
  job.module = module;
  job.config = config;
  job.rule_tests = rule_tests;
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
