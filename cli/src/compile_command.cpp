// compile: the agent's child process, and validate: the same checks for people and CI, without a node.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "api_command.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::cli {
namespace {

struct CompileOptions {
  engine::CompileJob job;
  std::string module, artifact, config, output;
  std::int64_t deadline_ms = 5;
  std::int64_t configure_deadline_ms = 2000;
  std::size_t memory_limit_mib = 16;
  std::size_t data_limit_mib = 2048;
  std::size_t file_limit_mib = 256;
  bool no_rehearsal = false;
  bool child = false;
  bool json = false;

  [[nodiscard]] engine::CompileJob finished_job() const {
    engine::CompileJob out = job;
    out.module = module;
    out.artifact = artifact;
    out.config = config;
    out.output = output;
    out.limits = {std::chrono::milliseconds(deadline_ms), std::chrono::milliseconds(configure_deadline_ms),
                  memory_limit_mib << 20U};
    out.rehearsal = no_rehearsal ? engine::Rehearsal::kSkip : engine::Rehearsal::kRun;
    return out;
  }
};

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

// Ends with the agent that asked, and within limits: a compile cannot be cancelled, a process can.
Result<void> become_child(const CompileOptions& options) {
  const pid_t parent = ::getppid();
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return std::unexpected(io_error("prctl"));
  if (::getppid() != parent) return fail(ErrorCode::kCancelled, "the agent has ended");
  return engine::confine_compile_child(options.data_limit_mib << 20U, options.file_limit_mib << 20U);
}

int run_compile(const CompileOptions& options) {
  if (options.module.empty() == options.artifact.empty()) {
    return complain({ErrorCode::kBadRequest, "compile needs exactly one of --module and --artifact"}, kUsage);
  }
  if (options.child) {
    if (auto confined = become_child(options); !confined) return complain(confined.error(), kRefused);
  }
  const auto report = engine::run_compile_job(options.finished_job());
  if (!report) return complain(report.error(), kUsage);
  fmt::print("{}\n", engine::to_json(*report));
  if (options.child) return kOk;  // the report was written; what it says is the agent's to read
  return report->error ? kRefused : kOk;
}

void show_valid(const std::string& path, const engine::CompileReport& report, const engine::ModuleInfo& info) {
  fmt::print("{}: {}\n", path, paint(Tone::kGood, "valid"));
  fmt::print("  name {}, version {}, ABI {}, {}, {}\n", clean(info.embedded_name.value_or("(none embedded)")),
             clean(info.embedded_version.value_or("(none embedded)")), report.abi,
             report.exports_configure ? "takes a configuration" : "takes no configuration",
             report.needs_body ? "reads request bodies" : "reads no request bodies");
  fmt::print("  validate {:.1f}, compile {:.1f}, rehearse {:.1f} ms; artifact {}\n", report.validate_ms,
             report.compile_ms, report.rehearse_ms, bytes_text(report.artifact_bytes));
  for (const std::string& warning : report.warnings) fmt::print("  warning: {}\n", clean(warning));
}

int run_validate(const CompileOptions& options) {
  const auto report = engine::run_compile_job(options.finished_job());
  if (!report) return complain(report.error(), kUsage);
  if (options.json) {
    fmt::print("{}\n", engine::to_json(*report));
    return report->error ? kRefused : kOk;
  }
  if (report->error) {
    fmt::print(stderr, "{}: {}\n  ({})\n", options.module, clean(report->error->message), word_of(report->error->code));
    return kRefused;
  }
  const auto bytes = read_file(options.module, options.job.max_module_bytes);
  if (!bytes) return complain(bytes.error(), kUsage);
  const auto info = engine::read_module_info(*bytes);
  if (!info) return complain(info.error(), kRefused);
  show_valid(options.module, *report, *info);
  return kOk;
}

}  // namespace

void add_compile_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<CompileOptions>();
  CLI::App* command =
      app.add_subcommand("compile", "Compile a module to an artifact for this machine (the agent's child)");
  command->footer(
      "Prints a report as JSON. The agent runs this with limits on time, memory and file size; to check a\n"
      "module yourself, secbeat validate is the friendlier way. Artifacts are executable code: the node\n"
      "loads only its own, and never one from outside.");
  command->add_option("--module", options->module, "The WebAssembly module");
  command->add_option("--artifact", options->artifact, "Instead of a module: an artifact, only to rehearse it");
  command->add_option("--artifact-sha256", options->job.artifact_sha256, "Its SHA-256");
  command->add_option("--config", options->config, "The module's configuration");
  command->add_option("--output", options->output, "Where the artifact goes");
  command->add_option("--data-limit-mib", options->data_limit_mib, "Memory of the compile, with --child")
      ->capture_default_str();
  command->add_option("--file-limit-mib", options->file_limit_mib, "Largest file, with --child")->capture_default_str();
  command->add_flag("--child", options->child, "Run confined, end with the parent process");
  add_limits(*command, *options);
  command->callback([options, &run] { run = [options] { return run_compile(*options); }; });
}

void add_validate_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<CompileOptions>();
  CLI::App* command = app.add_subcommand("validate", "Check a module as a node would, without a node");
  command->footer(
      "Format, exports, imports and limits; a compile; then configure and the sample requests. Fit for CI.\n"
      "What a running node says about it: secbeat reload FILE --dry-run\n\n"
      "Examples:\n"
      "  secbeat validate bad-bot-blocker.wasm\n"
      "  secbeat validate universal-waf.wasm --config waf-config.json --json");
  command->add_option("file", options->module, "The WebAssembly module")->required();
  command->add_option("--config", options->config, "The module's configuration");
  command->add_flag("--json", options->json, "Print the report as JSON, for programs");
  add_limits(*command, *options);
  command->callback([options, &run] { run = [options] { return run_validate(*options); }; });
}

}  // namespace secbeat::cli
