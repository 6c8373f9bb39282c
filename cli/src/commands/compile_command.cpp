// compile: secbeat-compile, the agent's child process, by its name in this command line; and validate: the same checks
// for people and CI, without a node.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "compile/compile_options.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/own_programs.hpp"
#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::cli {
namespace {

// The words of the command as they were understood, for the executable that has the compiler.
std::vector<std::string> words_of(const CLI::App& command) {
  std::vector<std::string> words{std::string(kCompileProgram)};
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    words.push_back(option->get_name());
    if (option->get_expected_max() > 0) std::ranges::copy(option->results(), std::back_inserter(words));
  }
  return words;
}

// Becomes secbeat-compile; comes back only where that is not possible.
int run_compile(const CLI::App& command) {
  const auto program = find_own_program(kCompileProgram);
  if (!program) return complain(program.error(), kRefused);
  std::vector<std::string> words = words_of(command);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(program->c_str(), pointers.data());
  return complain(io_error("cannot start " + program->string()), kRefused);
}

void show_valid(const std::string& path, const engine::CompileReport& report, const engine::ModuleInfo& info) {
  fmt::print("{}: {}\n", clean(path), paint(Tone::kGood, "valid"));
  fmt::print("  name {}, version {}, ABI {}, {}, {}\n", clean(info.embedded_name.value_or("(none embedded)")),
             clean(info.embedded_version.value_or("(none embedded)")), report.abi,
             report.exports_configure ? "takes a configuration" : "takes no configuration",
             report.needs_body ? "reads request bodies" : "reads no request bodies");
  fmt::print("  validate {:.1f}, compile {:.1f}, rehearse {:.1f} ms; artifact {}\n", report.validate_ms,
             report.compile_ms, report.rehearse_ms, bytes_text(report.artifact_bytes));
  if (report.cost) {
    fmt::print("  cost {}{} fuel ({})", report.cost->at_least ? "at least " : "", report.cost->fuel,
               clean(report.cost->request));
    if (report.inventory) fmt::print(", lists {} rules", report.inventory->size());
    fmt::print("\n");
  }
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
    fmt::print(stderr, "{}: {}\n  ({})\n", clean(options.module), clean(report->error->message),
               word_of(report->error->code));
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
  add_compile_options(*command, *options);
  command->callback([options, command, &run] { run = [options, command] { return run_compile(*command); }; });
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
  command->add_option("file", options->module, "The WebAssembly module")->required()->type_name("FILE");
  command->add_option("--config", options->config, "The module's configuration")->type_name("FILE");
  command->add_flag("--json", options->json, "Print the report as JSON, for programs");
  add_limits(*command, *options);
  command->callback([options, &run] { run = [options] { return run_validate(*options); }; });
}

}  // namespace secbeat::cli
