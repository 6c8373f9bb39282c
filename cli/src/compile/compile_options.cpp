#include "compile_options.hpp"

#include <chrono>

namespace secbeat::cli {

engine::CompileJob CompileOptions::finished_job() const {
  engine::CompileJob out = job;
  out.module = module;
  out.artifact = artifact;
  out.config = config;
  out.rule_tests = rule_tests;
  out.rule_tests_time = std::chrono::milliseconds(rule_tests_time_ms);
  out.output = output;
  out.counting = counting;
  out.counting_output = counting_output;
  out.limits = {std::chrono::milliseconds(deadline_ms), std::chrono::milliseconds(configure_deadline_ms),
                memory_limit_mib << 20U};
  out.rehearsal = no_rehearsal ? engine::Rehearsal::kSkip : engine::Rehearsal::kRun;
  out.costing = no_cost ? engine::Costing::kSkip : engine::Costing::kRun;
  return out;
}

void add_limits(CLI::App& command, CompileOptions& options) {
  command.add_option("--max-module-bytes", options.job.max_module_bytes, "Largest module")->capture_default_str();
  command.add_option("--deadline-ms", options.deadline_ms, "CPU time of one inspection")
      ->check(CLI::Range(1, 60000))
      ->capture_default_str();
  command.add_option("--configure-deadline-ms", options.configure_deadline_ms, "CPU time of configure")
      ->check(CLI::Range(1, 600000))
      ->capture_default_str();
  command.add_option("--memory-limit-mib", options.memory_limit_mib, "Memory of one instance")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_flag("--no-rehearsal", options.no_rehearsal, "Do not run configure and the sample requests");
}

void add_compile_options(CLI::App& command, CompileOptions& options) {
  command.footer(
      "Prints a report as JSON. The agent runs this with limits on time, memory and file size; to check a\n"
      "module yourself, secbeat validate is the friendlier way. Artifacts are executable code: the node\n"
      "loads only its own, and never one from outside.");
  command.add_option("--module", options.module, "The WebAssembly module")->type_name("FILE");
  command.add_option("--artifact", options.artifact, "An artifact of the module, only to rehearse it")
      ->type_name("FILE");
  command.add_option("--artifact-sha256", options.job.artifact_sha256, "Its SHA-256");
  command.add_option("--config", options.config, "The module's configuration")->type_name("FILE");
  command.add_option("--rule-tests", options.rule_tests, "Tests of rules that are run as part of the rehearsal")
      ->type_name("FILE");
  command.add_option("--rule-tests-time-ms", options.rule_tests_time_ms, "Time for all of these tests")
      ->check(CLI::Range(0, 600000))
      ->capture_default_str();
  command.add_option("--output", options.output, "Where the artifact goes")->type_name("FILE");
  command.add_option("--counting", options.counting, "An artifact of the module that counts fuel")->type_name("FILE");
  command.add_option("--counting-sha256", options.job.counting_sha256, "Its SHA-256");
  command.add_option("--counting-output", options.counting_output, "Where one that is made goes")->type_name("FILE");
  command.add_flag("--no-cost", options.no_cost, "Do not count what the sample requests cost");
  command.add_option("--data-limit-mib", options.data_limit_mib, "Memory of the compile, with --child")
      ->capture_default_str();
  command.add_option("--file-limit-mib", options.file_limit_mib, "Largest file, with --child")->capture_default_str();
  command.add_option("--for-release", options.for_release, "Refuse unless the compiler is of this release");
  command.add_flag("--json", options.json, "Print the report as JSON; it has no other form");
  command.add_flag("--child", options.child, "Run confined, end with the parent process");
  command.add_flag("--try-escapes", options.try_escapes,
                   "Instead of a job: try what a confined process must not be able to do, and say what happened");
  add_limits(command, options);
}

}  // namespace secbeat::cli
