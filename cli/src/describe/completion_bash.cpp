#include <fmt/format.h>
#include <fmt/ranges.h>

#include "describe/completion.hpp"

namespace secbeat::cli {
namespace {

// What the script looks up: a question such as "reload --config" and its answer.
struct Row {
  std::string question;
  std::string answer;
};

// "reload", "archive list"; empty for the program itself. All words come from the program and need no quoting.
std::string path_of(const CommandInfo& command) {
  return fmt::format("{}", fmt::join(command.path.begin() + 1, command.path.end(), " "));
}

std::string answer_of(const ValueInfo& value) {
  if (value.is_file()) return "FILE";
  return value.choices.empty() ? "ANY" : fmt::format("WORDS {}", fmt::join(value.choices, " "));
}

std::string lookup(std::string_view name, const std::vector<Row>& rows) {
  std::string out = fmt::format("_secbeat_{}() {{\n  case \"$1\" in\n", name);
  for (const Row& row : rows) out += fmt::format("    '{}') echo '{}' ;;\n", row.question, row.answer);
  return out + "  esac\n}\n";
}

// The words of the command line as bash hands them over are split at '=' and ':', so "--name=x" is three of them.
constexpr std::string_view kEngine = R"bash(
_secbeat() {
  local current=${COMP_WORDS[COMP_CWORD]} path='' option='' answer word next arguments=0 i
  COMPREPLY=()
  [[ $current == '=' ]] && current=''
  # The command so far, how many arguments it has, and the option whose value comes next.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    next=${path:+$path }$word
    if [[ $word == '=' ]]; then
      continue
    elif [[ -n $option ]]; then
      option=''
    elif [[ $word == -* ]]; then
      [[ -n $(_secbeat_value "$path $word") ]] && option=$word
    elif [[ " $(_secbeat_commands "$path") " == *" $word "* ]]; then
      path=$next
    else
      arguments=$((arguments + 1))
    fi
  done
  if [[ -n $option ]]; then
    answer=$(_secbeat_value "$path $option")
  elif [[ $current == -* ]]; then
    answer="WORDS $(_secbeat_options "$path")"
  elif [[ -n $(_secbeat_commands "$path") ]]; then
    answer="WORDS $(_secbeat_commands "$path")"
  else
    answer=$(_secbeat_argument "$path $arguments")
  fi
  case "$answer" in
    FILE)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    WORDS*) mapfile -t COMPREPLY < <(compgen -W "${answer#WORDS}" -- "$current") ;;
  esac
}
complete -F _secbeat secbeat
)bash";

}  // namespace

std::string bash_completion(const CommandInfo& program) {
  std::vector<Row> commands;
  std::vector<Row> options;
  std::vector<Row> values;
  std::vector<Row> arguments;
  for (const CommandInfo* command : all_of(program)) {
    const std::string path = path_of(*command);
    std::vector<std::string> below;
    for (const CommandInfo& one : command->commands) below.push_back(one.path.back());
    if (!below.empty()) commands.push_back({path, fmt::format("{}", fmt::join(below, " "))});
    std::vector<std::string> names;
    for (const OptionInfo& option : command->options) {
      for (const std::string& name : option.names) {
        names.push_back(name);
        if (!option.value.label.empty()) values.push_back({path + " " + name, answer_of(option.value)});
      }
    }
    options.push_back({path, fmt::format("{}", fmt::join(names, " "))});
    for (std::size_t i = 0; i < command->arguments.size(); ++i) {
      arguments.push_back({fmt::format("{} {}", path, i), answer_of(command->arguments[i].value)});
    }
  }
  return "# bash completion of secbeat, made by: secbeat completion bash\n" + lookup("commands", commands) +
         lookup("options", options) + lookup("value", values) + lookup("argument", arguments) + std::string(kEngine);
}

}  // namespace secbeat::cli
