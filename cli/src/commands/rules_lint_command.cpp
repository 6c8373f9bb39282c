// rules lint and rules diff: documents of rules looked at without changing anything.
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "commands/render.hpp"
#include "commands/rules_tools.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "rules/rule_diff.hpp"
#include "rules/rule_file.hpp"
#include "rules/temporary_file.hpp"
#include "secbeat/agent/try_module.hpp"
#include "secbeat/base/own_programs.hpp"

namespace secbeat::cli {
namespace {

struct LintOptions {
  std::string file;
  std::string module;
  bool strict = false;
  bool json = false;
};

struct DiffOptions {
  ApiOptions api;
  std::string file;
  std::string other;
  bool exit_code = false;
};

int run_lint(const LintOptions& options) {
  const auto text = read_rules_text(options.file);
  if (!text) return complain(text.error(), kUsage);
  const auto notes = lint_file(options.file, *text, options.module);
  if (!notes) return complain(notes.error(), kUsage);
  const auto faults = static_cast<std::size_t>(std::ranges::count_if(*notes, &LintNote::is_fault));
  const std::size_t warnings = notes->size() - faults;
  if (options.json) {
    Json list = Json::array();
    for (const LintNote& note : *notes) list.push_back(to_json(note));
    fmt::print("{}\n", json_text({{"file", options.file},
                                  {"accepted", faults == 0},
                                  {"errors", faults},
                                  {"warnings", warnings},
                                  {"notes", std::move(list)}}));
  } else {
    for (const LintNote& note : *notes) fmt::print("{}", render(note));
    if (notes->empty())
      fmt::print("{}\n", paint(Tone::kGood, "A node would take these rules; nothing in them is doubtful"));
    if (faults == 0 && warnings > 0) fmt::print("A node would take these rules\n");
  }
  return faults > 0 || (options.strict && warnings > 0) ? kRefused : kOk;
}

Result<Json> rules_of_file(const std::string& file) {
  const auto text = read_rules_text(file);
  if (!text) return std::unexpected(text.error());
  auto document = parse_rules(*text);
  if (!document) return fail(document.error().code, file + ": " + document.error().message);
  return document;
}

int tell_diff(const DiffOptions& options, const Json& before, const Json& after) {
  const RuleDiff diff = diff_rules(before, after);
  fmt::print("{}", options.api.json ? json_text(to_json(diff)) + "\n"
                   : diff.empty()   ? "The rules are the same\n"
                                    : render(diff));
  return options.exit_code && !diff.empty() ? kRefused : kOk;
}

int run_diff(const DiffOptions& options) {
  const auto first = rules_of_file(options.file);
  if (!first) return complain(first.error(), kUsage);
  if (!options.other.empty()) {
    const auto second = rules_of_file(options.other);
    if (!second) return complain(second.error(), kUsage);
    return tell_diff(options, *first, *second);
  }
  return with_node(options.api, [&](const Client& client) {
    const auto answer = success_of(client, client.get("/api/v1/rules"), kRulesShape);
    if (!answer) return complain(answer.error());
    const auto node = parse_rules(answer->dump());
    if (!node) return complain({ErrorCode::kProtocol, node.error().message});
    return tell_diff(options, *node, *first);
  });
}

}  // namespace

std::string rules_module(const std::string& given) {
  return given.empty() ? find_own_guest("universal-waf").string() : given;
}

Result<std::vector<LintNote>> lint_file(const std::string& file, const std::string& text, const std::string& module) {
  std::optional<TemporaryFile> copy;
  std::string path = file;
  if (file == "-") {
    auto made = TemporaryFile::make("rules", text);
    if (!made) return std::unexpected(made.error());
    copy = *std::move(made);
    path = copy->path().string();
  }
  const auto report = agent::try_module(rules_module(module), path);
  if (!report) return std::unexpected(report.error());
  if (report->error && report->error->code == ErrorCode::kConfigureFailed) return read_faults(report->error->message);
  if (report->error) {
    return std::vector<LintNote>{
        {.is_fault = true, .rule = {}, .key = {}, .line = 0, .column = 0, .message = report->error->message}};
  }
  const auto document = parse_rules(text);
  if (!document) return fail(document.error().code, document.error().message);  // taken by another module
  auto notes = find_doubtful(*document, RealClock().now());
  for (const std::string& warning : report->warnings) {
    notes.push_back({.is_fault = false, .rule = {}, .key = {}, .line = 0, .column = 0, .message = warning});
  }
  return notes;
}

void add_rules_lint(CLI::App& rules, Run& run) {
  auto options = std::make_shared<LintOptions>();
  CLI::App* command = rules.add_subcommand("lint", "What is wrong or doubtful in a file of rules; no node needed");
  command->footer(
      "Errors are why a node would refuse the file, with rule, key and place, because the module that reads rules is "
      "run\n"
      "on it. Warnings are about rules that would be taken and do not do what they seem to: ended ones, those that\n"
      "another is asked before, patterns that never match. Exit status 1 for errors; with --strict for warnings "
      "too.\n\n"
      "Examples:\n"
      "  secbeat rules lint waf-config.json\n"
      "  secbeat rules lint --strict --json waf-config.json");
  command->add_option("file", options->file, "The document of rules; - for standard input")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--module", options->module,
                   "The module that reads it; default: the universal-waf that comes with secbeat")
      ->type_name("FILE");
  command->add_flag("--strict", options->strict, "Warnings count as errors");
  command->add_flag("--json", options->json, "Print everything as JSON, for programs");
  command->callback([options, &run] { run = [options] { return run_lint(*options); }; });
}

void add_rules_diff(CLI::App& rules, Run& run) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App* command = rules.add_subcommand("diff", "Which rules a file adds, removes and changes");
  command->footer(
      "With one file: what sending it would change on the node. With two: what the second changes of the first.\n"
      "Rules are compared by id and by what they say, not by how they are written.\n\n"
      "Examples:\n"
      "  secbeat rules diff waf-config.json\n"
      "  secbeat rules diff --exit-code before.json after.json");
  command->add_option("file", options->file, "A document of rules")->required()->type_name("FILE");
  command->add_option("other", options->other, "A later one; default: FILE is held against the node's")
      ->type_name("FILE");
  command->add_flag("--exit-code", options->exit_code, "Exit status 1 where they differ");
  options->api.add_to(*command);
  command->callback([options, &run] { run = [options] { return run_diff(*options); }; });
}

}  // namespace secbeat::cli
