#include "describe/command_tree.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

namespace secbeat::cli {
namespace {

// CLI11 joins the label and what its checks say of themselves: "TEXT:{block,log}", "INT:INT in [1 - 1000]".
ValueInfo value_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return {};
  const std::string type = option.get_type_name();
  ValueInfo value{type.substr(0, type.find(':')), {}};
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', std::min(open, type.size()));
  if (open == std::string::npos || close == std::string::npos) return value;
  std::istringstream list(type.substr(open + 1, close - open - 1));
  for (std::string choice; std::getline(list, choice, ',');) value.choices.push_back(choice);
  return value;
}

OptionInfo info_of(const CLI::Option& option) {
  OptionInfo info;
  if (option.nonpositional()) {
    for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  } else {
    info.names.push_back(option.get_name(true, false));
  }
  info.value = value_of(option);
  info.description = option.get_description();
  info.default_text = option.get_default_str();
  info.environment = option.get_envname();
  info.required = option.get_required();
  return info;
}

bool is_title(const std::string& line) { return line.ends_with(':') && !line.starts_with(' '); }

std::vector<Paragraph> paragraphs_of(const std::string& text) {
  std::vector<Paragraph> paragraphs;
  bool begun = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      begun = false;
      continue;
    }
    if (!begun) {
      paragraphs.emplace_back();
      begun = true;
      if (is_title(line)) {
        paragraphs.back().title = line.substr(0, line.size() - 1);
        continue;
      }
    }
    paragraphs.back().lines.push_back(line);
  }
  return paragraphs;
}

CommandInfo command_of(const CLI::App& app, std::vector<std::string> path) {
  CommandInfo info;
  info.path = std::move(path);
  info.description = app.get_description();
  info.paragraphs = paragraphs_of(app.get_footer());
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    (option->nonpositional() ? info.options : info.arguments).push_back(info_of(*option));
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name().empty() || command->get_group().empty()) continue;
    std::vector<std::string> below = info.path;
    below.push_back(command->get_name());
    info.commands.push_back(command_of(*command, std::move(below)));
  }
  return info;
}

}  // namespace

std::string CommandInfo::words(char between) const {
  std::string out;
  for (const std::string& word : path) out += (out.empty() ? "" : std::string(1, between)) + word;
  return out;
}

CommandInfo describe(const CLI::App& app) { return command_of(app, {app.get_name()}); }

std::vector<const CommandInfo*> all_of(const CommandInfo& command) {
  std::vector<const CommandInfo*> all{&command};
  for (const CommandInfo& below : command.commands) {
    for (const CommandInfo* one : all_of(below)) all.push_back(one);
  }
  return all;
}

}  // namespace secbeat::cli
