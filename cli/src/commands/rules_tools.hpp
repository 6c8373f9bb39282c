// secbeat rules lint, diff, edit, test: what needs no more than the engine, and an edit that is checked by it first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "rules/rule_lint.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::cli {

void add_rules_lint(CLI::App& rules, Run& run);  // rules_lint_command.cpp
void add_rules_diff(CLI::App& rules, Run& run);  // rules_lint_command.cpp
void add_rules_edit(CLI::App& rules, Run& run);  // rules_edit_command.cpp
void add_rules_test(CLI::App& rules, Run& run);  // rules_test_command.cpp

// A rule: the file's text, or what standard input says.
Result<std::string> rule_from(const std::string& file);

// Runs the module (empty: the universal-waf of this installation) on a file of rules. An Error only where that could
// not be done.
Result<std::vector<LintNote>> lint_file(const std::string& file, const std::string& text, const std::string& module);

// The module that reads rules: as given, else that of this installation.
std::string rules_module(const std::string& given);

}  // namespace secbeat::cli
