// The tree of commands as plain values: what completion and the manual pages are made of. It is read from the tree that
// parses, so that neither can be behind.
//
// Thread safety: value types; free functions without shared state.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace secbeat::cli {

// What may stand for an option or an argument.
struct ValueInfo {
  std::string label;                 // "FILE", "URL", "TEXT"; empty: nothing, it is a flag
  std::vector<std::string> choices;  // all there are; empty: anything
  [[nodiscard]] bool is_file() const { return label == "FILE" || label == "FOLDER"; }
};

struct OptionInfo {
  std::vector<std::string> names;  // "-h", "--help"; of an argument its one name
  ValueInfo value;
  std::string description;
  std::string default_text;  // empty: none to be told
  std::string environment;   // empty: none
  bool required = false;
};

// A paragraph of the text under a command's --help. One that begins with a line such as "Examples:" has a title.
struct Paragraph {
  std::string title;  // empty: plain text
  std::vector<std::string> lines;
};

struct CommandInfo {
  std::vector<std::string> path;  // "secbeat", "reload"
  std::string description;
  std::vector<Paragraph> paragraphs;
  std::vector<OptionInfo> options;
  std::vector<OptionInfo> arguments;
  std::vector<CommandInfo> commands;

  // "secbeat reload", "secbeat-reload"
  [[nodiscard]] std::string words(char between) const;
};

CommandInfo describe(const CLI::App& app);

// The command and all below it, itself first.
std::vector<const CommandInfo*> all_of(const CommandInfo& command);

}  // namespace secbeat::cli
