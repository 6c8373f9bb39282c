// new-rule: a project for a rule module in C++, made of the texts in the SDK.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/own_programs.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::cli {
namespace {

using std::filesystem::path;

constexpr std::size_t kMaxTextBytes = 65536;

struct NewRuleOptions {
  std::string name;
  std::string folder;
  bool json = false;
};

struct ProjectFile {
  std::string text;  // its name in the SDK
  std::string name;
};

// The name as that of a source file: "no-git" becomes "no_git".
std::string file_name_of(std::string name) {
  std::ranges::replace_if(name, [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

std::vector<ProjectFile> files_of(const std::string& name) {
  return {{"CMakeLists.txt", "CMakeLists.txt"},
          {"rule.cpp", file_name_of(name) + ".cpp"},
          {"rule-tests.json", "rule-tests.json"},
          {"README.md", "README.md"},
          {"gitignore", ".gitignore"}};
}

void replace_all(std::string& text, std::string_view word, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += by.size()) {
    text.replace(at, word.size(), by);
  }
}

Result<std::string> text_of_file(const path& sdk, const ProjectFile& file, const std::string& name) {
  auto text = read_file(sdk / "project" / file.text, kMaxTextBytes);
  if (!text) return text;
  replace_all(*text, "@NAME@", name);
  replace_all(*text, "@FILE@", file_name_of(name));
  replace_all(*text, "@CLANG@", SECBEAT_GUEST_CLANG_MAJOR);
  return text;
}

// An empty folder, or a new one.
Result<void> make_room(const path& folder) {
  std::error_code error;
  if (const auto found = std::filesystem::symlink_status(folder, error); std::filesystem::exists(found)) {
    if (!std::filesystem::is_directory(folder, error)) {
      return fail(ErrorCode::kConfig, folder.string() + " is no folder; choose another with --dir");
    }
    const bool empty = std::filesystem::is_empty(folder, error);
    if (error) return fail(ErrorCode::kIo, fmt::format("cannot read {}: {}", folder.string(), error.message()));
    if (empty) return {};
    return fail(ErrorCode::kConfig, folder.string() + " is not empty; choose another folder with --dir");
  }
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorCode::kIo, fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
  return {};
}

Result<void> make_project(const path& sdk, const path& folder, const std::string& name) {
  std::vector<std::pair<path, std::string>> texts;
  for (const ProjectFile& file : files_of(name)) {
    auto text = text_of_file(sdk, file, name);
    if (!text) return std::unexpected(text.error());
    texts.emplace_back(folder / file.name, *std::move(text));
  }
  if (auto room = make_room(folder); !room) return room;
  for (const auto& [file, text] : texts) {
    if (auto written = write_file_unsynced(file, text); !written) return written;
  }
  return {};
}

// CMake looks beside the folders of PATH, and in the system's own.
bool is_found_by_cmake(const path& prefix) {
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "" : variable;
  std::vector<path> places = {"/usr", "/usr/local"};
  while (!rest.empty()) {
    const path entry(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), entry.native().size() + 1));
    if (entry.filename() == "bin") places.push_back(entry.parent_path());
  }
  std::error_code error;
  return std::ranges::any_of(places, [&](const path& one) { return std::filesystem::equivalent(one, prefix, error); });
}

// A path as a word of a shell.
std::string word_of_shell(const path& text) {
  std::string word = text.string();
  if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-+") == word.npos) {
    return word;
  }
  replace_all(word, "'", "'\\''");
  return "'" + word + "'";
}

std::vector<std::string> next_steps(const path& sdk, const path& folder, const std::string& name) {
  const path prefix = sdk.parent_path().parent_path().parent_path();
  std::string configure = "cmake -B build";
  std::string secbeat = "secbeat";
  if (!is_found_by_cmake(prefix)) {
    configure += " -DCMAKE_PREFIX_PATH=" + word_of_shell(prefix);
    secbeat = word_of_shell(prefix / "bin" / "secbeat");
  }
  return {"cd " + word_of_shell(folder), configure + " && cmake --build build",
          "ctest --test-dir build --output-on-failure", fmt::format("{} reload build/{}.wasm", secbeat, name)};
}

int new_rule(const NewRuleOptions& options) {
  if (!engine::is_module_name(options.name)) {
    return complain(
        {ErrorCode::kConfig, fmt::format("\"{}\" cannot be a module's name: it has 1 to 64 of A-Z a-z 0-9 . _ "
                                         "- and begins with a letter or a digit",
                                         options.name)},
        kUsage);
  }
  const auto sdk = find_own_sdk();
  if (!sdk) return complain(sdk.error(), kRefused);
  const path folder = options.folder.empty() ? options.name : options.folder;
  if (auto made = make_project(*sdk, folder, options.name); !made) return complain(made.error(), kUsage);
  const auto steps = next_steps(*sdk, folder, options.name);
  if (options.json) {
    Json files = Json::array();
    for (const ProjectFile& file : files_of(options.name)) files.push_back(file.name);
    fmt::print("{}\n",
               json_text({{"name", options.name}, {"folder", folder.string()}, {"files", files}, {"next", steps}}));
    return kOk;
  }
  fmt::print("The rule module {} is in {}: {}.cpp, and rule-tests.json, which it has to pass. Next:\n", options.name,
             clean(folder.string()), file_name_of(options.name));
  for (const std::string& step : steps) fmt::print("  {}\n", clean(step));
  return kOk;
}

}  // namespace

void add_new_rule_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<NewRuleOptions>();
  CLI::App* command = app.add_subcommand("new-rule", "Make a project for a rule module in C++, with tests");
  command->footer(
      "The project builds with CMake and clang for WebAssembly, on the SDK of this installation, and its tests are run "
      "by\n"
      "secbeat itself. It blocks folders of version control: replace that by what yours has to do. A folder that is "
      "not "
      "empty\n"
      "is left as it is.\n\n"
      "Examples:\n"
      "  secbeat new-rule no-git\n"
      "  secbeat new-rule no-git --dir rules/no-git");
  command->add_option("name", options->name, "The module's name, as a node lists it")->required();
  command->add_option("--dir", options->folder, "A new or an empty folder; default: of the module's name")
      ->type_name("DIR");
  command->add_flag("--json", options->json, "Print the result as JSON, for programs");
  command->callback([options, &run] { run = [options] { return new_rule(*options); }; });
}

}  // namespace secbeat::cli
