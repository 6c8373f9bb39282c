// rules test: tests of rules as data, decided by the engine.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands/rules_tools.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/try_module.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

struct TestOptions {
  std::vector<std::string> tests;
  std::string rules;
  std::string module;
  bool json = false;
};

struct Totals {
  std::uint64_t run = 0;
  std::uint64_t not_run = 0;
  std::uint64_t failed = 0;
  Json failures = Json::array();
};

bool passed(const Totals& totals) { return totals.failed == 0 && totals.not_run == 0; }

void add(Totals& totals, const std::string& file, const engine::RuleTestReport& report) {
  totals.run += report.run;
  totals.not_run += report.not_run;
  totals.failed += report.failed;
  for (const engine::FailedRuleTest& one : report.failures) {
    totals.failures.push_back({{"file", file}, {"name", one.name}, {"expected", one.expected}, {"got", one.got}});
  }
}

void tell(const Totals& totals) {
  for (const Json& one : totals.failures) {
    fmt::print("{} {}: {}\n  expected  {}\n  got       {}\n", paint(Tone::kBad, "failed:"), clean(text_of(one, "file")),
               clean(text_of(one, "name")), clean(text_of(one, "expected")), clean(text_of(one, "got")));
  }
  if (totals.failed > totals.failures.size()) fmt::print("… and {} more\n", totals.failed - totals.failures.size());
  std::string line = fmt::format("{} tests, {} failed", totals.run, totals.failed);
  if (totals.not_run > 0)
    line += fmt::format("; {} were not run, their time was over: make several files of them", totals.not_run);
  fmt::print("{}\n", paint(passed(totals) ? Tone::kGood : Tone::kBad, line));
}

// Said in the command's own words before a process is started for it.
Result<void> check_tests(const std::string& file) {
  const auto text = read_file(file, engine::kMaxRuleTestsBytes);
  if (!text) return std::unexpected(text.error());
  const auto tests = engine::read_rule_tests(*text);
  if (!tests) return fail(tests.error().code, file + ": " + tests.error().message);
  return {};
}

int run_tests(const TestOptions& options) {
  Totals totals;
  for (const std::string& file : options.tests) {
    if (const auto usable = check_tests(file); !usable) return complain(usable.error(), kUsage);
    const auto report = agent::try_module(rules_module(options.module), options.rules, file);
    if (!report) return complain(report.error(), kUsage);
    if (report->error) {
      // The child could not read its files, or the rules are refused.
      const bool of_the_job = report->error->code == ErrorCode::kCompileFailed;
      return complain(*report->error, of_the_job ? kUsage : kRefused);
    }
    if (!report->rule_tests) return complain({ErrorCode::kInternal, "The tests were not run"}, kRefused);
    add(totals, file, *report->rule_tests);
  }
  if (options.json) {
    fmt::print("{}\n", json_text({{"success", passed(totals)},
                                  {"run", totals.run},
                                  {"not_run", totals.not_run},
                                  {"failed", totals.failed},
                                  {"failures", totals.failures}}));
  } else {
    tell(totals);
  }
  return passed(totals) ? kOk : kRefused;
}

}  // namespace

void add_rules_test(CLI::App& rules, Run& run) {
  auto options = std::make_shared<TestOptions>();
  CLI::App* command =
      rules.add_subcommand("test", "Runs tests of rules: requests, and what has to be decided about them");
  command->footer(
      "A file of tests is JSON; docs/rules.md describes it. The module decides the requests in the engine: no nginx "
      "and no\n"
      "node are needed. Prints each test that is decided otherwise. Exit status 1 where one is, or where a node would "
      "not\n"
      "take the rules.\n\n"
      "Examples:\n"
      "  secbeat rules test --rules waf-config.json tests.json\n"
      "  secbeat rules test --module bad-bot-blocker.wasm bots.json");
  command->add_option("tests", options->tests, "Files of tests")->required()->type_name("TESTS");
  command->add_option("--rules", options->rules, "The rules; for another module, its configuration")->type_name("FILE");
  command->add_option("--module", options->module, "The module; default: the universal-waf that comes with secbeat")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print everything as JSON, for programs");
  command->callback([options, &run] { run = [options] { return run_tests(*options); }; });
}

}  // namespace secbeat::cli
