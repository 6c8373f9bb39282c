#include <fmt/format.h>
#include <fmt/ranges.h>

#include "describe/completion.hpp"

namespace secbeat::cli {
namespace {

// For a text within '…' within a specification of _arguments, where brackets and colons mean something.
std::string zsh_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

std::string action_of(const ValueInfo& value) {
  if (value.is_file()) return "_files";
  return value.choices.empty() ? " " : fmt::format("({})", fmt::join(value.choices, " "));
}

std::string function_of(const CommandInfo& command) { return "_" + command.words('_'); }

// One line for each name: '--config[text]:FILE:_files'.
std::string option_lines(const CommandInfo& command) {
  std::string out;
  for (const OptionInfo& option : command.options) {
    for (const std::string& name : option.names) {
      const bool takes = !option.value.label.empty();
      out += fmt::format(" \\\n    '{}{}[{}]{}'", name, takes && name.starts_with("--") ? "=" : "",
                         zsh_quoted(option.description),
                         takes ? fmt::format(":{}:{}", option.value.label, action_of(option.value)) : "");
    }
  }
  return out;
}

std::string leaf(const CommandInfo& command) {
  std::string out = option_lines(command);
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    const OptionInfo& argument = command.arguments[i];
    out += fmt::format(" \\\n    '{}{}:{}:{}'", i + 1, argument.required ? "" : ":", zsh_quoted(argument.names.front()),
                       action_of(argument.value));
  }
  return fmt::format("{}() {{\n  _arguments{}\n}}\n", function_of(command), out);
}

std::string group(const CommandInfo& command) {
  std::string names;
  std::string cases;
  for (const CommandInfo& below : command.commands) {
    names += fmt::format(" \\\n    '{}:{}'", below.path.back(), zsh_quoted(below.description));
    cases += fmt::format("    {}) {} ;;\n", below.path.back(), function_of(below));
  }
  return fmt::format(R"({0}_commands() {{
  local -a commands
  commands=({1})
  _describe command commands
}}
{0}() {{
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C{2} \
    '1:command:{0}_commands' \
    '*::argument:->arguments'
  [[ $state == arguments ]] || return
  case $line[1] in
{3}  esac
}}
)",
                     function_of(command), names, option_lines(command), cases);
}

}  // namespace

std::string zsh_completion(const CommandInfo& program) {
  std::string out = "#compdef secbeat\n# zsh completion of secbeat, made by: secbeat completion zsh\n";
  for (const CommandInfo* command : all_of(program))
    out += command->commands.empty() ? leaf(*command) : group(*command);
  // As a file of $fpath the whole text is the function; sourced, it registers it.
  return out + "if [[ $funcstack[1] == _secbeat ]]; then\n  _secbeat \"$@\"\nelse\n  compdef _secbeat secbeat\nfi\n";
}

}  // namespace secbeat::cli
