#include "describe/man_page.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace secbeat::cli {
namespace {

// When the manual was last read through. Not the day of the build: two builds of one source are the same.
constexpr std::string_view kDate = "2026-11-24";

// For running text: hyphens as typed, and nothing that roff would take for a request or an escape.
std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '~') {
      out += "\\(ti";
    } else if (c == '^') {
      out += "\\(ha";
    } else if (c == '`') {
      out += "\\(ga";
    } else {
      out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

std::string bold(std::string_view text) { return fmt::format("\\fB{}\\fR", roff(text)); }
std::string italic(std::string_view text) { return fmt::format("\\fI{}\\fR", roff(text)); }

std::string value_text(const ValueInfo& value) {
  if (value.label.empty()) return {};
  if (value.choices.empty()) return " " + italic(value.label);
  std::string out;
  for (const std::string& choice : value.choices) out += (out.empty() ? " " : "|") + bold(choice);
  return out;
}

std::string synopsis(const CommandInfo& command) {
  std::string out = fmt::format(".SH SYNOPSIS\n{}", bold(command.words(' ')));
  if (!command.options.empty()) out += " [" + italic("OPTIONS") + "]";
  if (!command.commands.empty()) out += " " + italic("COMMAND") + " ...";
  for (const OptionInfo& argument : command.arguments) {
    const std::string name = italic(argument.names.front());
    out += argument.required ? " " + name : " [" + name + "]";
  }
  return out + "\n";
}

std::string option_text(const OptionInfo& option) {
  std::string names;
  for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + bold(name);
  std::string text = roff(option.description);
  if (!option.default_text.empty()) text += fmt::format(" (default: {})", roff(option.default_text));
  if (!option.environment.empty()) text += fmt::format(" (environment: {})", roff(option.environment));
  if (option.required) text += " (required)";
  return fmt::format(".TP\n{}{}\n{}\n", names, value_text(option.value), text);
}

std::string options_text(const CommandInfo& command) {
  std::string out;
  if (!command.arguments.empty()) {
    out += ".SH ARGUMENTS\n";
    for (const OptionInfo& argument : command.arguments) {
      OptionInfo shown = argument;
      if (shown.value.choices.empty()) shown.value = {};
      out += option_text(shown);
    }
  }
  if (!command.options.empty()) out += ".SH OPTIONS\n";
  for (const OptionInfo& option : command.options) out += option_text(option);
  return out;
}

// "  WORD  what it is" as a list; lines without two blanks between are shown as they stand.
std::string titled(const Paragraph& paragraph) {
  constexpr std::size_t kIndent = 2;
  const auto is_item = [](const std::string& line) {
    return line.size() > kIndent && line.find("  ", kIndent + 1) != std::string::npos;
  };
  std::string out = fmt::format(".SH {}\n", upper(roff(paragraph.title)));
  if (!std::ranges::all_of(paragraph.lines, is_item)) {
    out += ".nf\n";
    for (const std::string& line : paragraph.lines) out += roff(line.substr(std::min(kIndent, line.size()))) + "\n";
    return out + ".fi\n";
  }
  for (const std::string& line : paragraph.lines) {
    const std::size_t end = line.find("  ", kIndent + 1);
    out += fmt::format(".TP\n{}\n{}\n", bold(line.substr(kIndent, end - kIndent)),
                       roff(line.substr(line.find_first_not_of(' ', end))));
  }
  return out;
}

std::string commands_text(const CommandInfo& command) {
  if (command.commands.empty()) return {};
  std::string out = ".SH COMMANDS\n";
  for (const CommandInfo& below : command.commands) {
    out += fmt::format(".TP\n{}\n{}\n", bold(below.path.back()), roff(below.description));
  }
  return out;
}

std::string see_also(const CommandInfo& program, const CommandInfo& command) {
  std::string out;
  const auto add = [&](const CommandInfo& other) {
    if (other.path == command.path) return;
    out += fmt::format("{}.BR {} (1)", out.empty() ? "" : " ,\n", roff(other.words('-')));
  };
  if (&program != &command) add(program);
  for (const CommandInfo& below : command.commands) add(below);
  return out.empty() ? out : ".SH SEE ALSO\n" + out + "\n";
}

}  // namespace

std::string man_file(const CommandInfo& command) { return command.words('-') + ".1"; }

std::string man_page(const CommandInfo& program, const CommandInfo& command) {
  std::string out = fmt::format(".TH {} 1 {} \"secbeat {}\" \"SecBeat manual\"\n", upper(roff(command.words('-'))),
                                kDate, SECBEAT_VERSION);
  out += fmt::format(".SH NAME\n{} \\- {}\n", roff(command.words('-')), roff(command.description));
  out += synopsis(command);
  std::string plain;
  std::string rest;
  for (const Paragraph& paragraph : command.paragraphs) {
    if (!paragraph.title.empty()) {
      rest += titled(paragraph);
      continue;
    }
    plain += plain.empty() ? ".SH DESCRIPTION\n" : ".PP\n";
    for (const std::string& line : paragraph.lines) plain += roff(line) + "\n";
  }
  out += plain + commands_text(command) + options_text(command) + rest;
  if (&program != &command) {
    out += ".SH EXIT STATUS\n0 when done; what other numbers mean:\n.BR secbeat (1).\n";
  }
  return out + see_also(program, command);
}

}  // namespace secbeat::cli
