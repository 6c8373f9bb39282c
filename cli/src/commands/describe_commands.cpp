// completion and man: what the command line says about itself.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"
#include "describe/completion.hpp"
#include "describe/man_page.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

struct ManOptions {
  std::vector<std::string> command;
  std::string output;
};

int write_pages(const CommandInfo& program, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return complain({ErrorCode::kIo, fmt::format("cannot make {}: {}", folder.string(), error.message())}, kUsage);
  for (const CommandInfo* command : all_of(program)) {
    if (auto written = write_file_atomically(folder / man_file(*command), man_page(program, *command)); !written) {
      return complain(written.error(), kUsage);
    }
  }
  return kOk;
}

int run_man(const CommandInfo& program, const ManOptions& options) {
  if (!options.output.empty()) return write_pages(program, options.output);
  std::vector<std::string> path{"secbeat"};
  path.insert(path.end(), options.command.begin(), options.command.end());
  for (const CommandInfo* command : all_of(program)) {
    if (command->path == path) {
      fmt::print("{}", man_page(program, *command));
      return kOk;
    }
  }
  return complain({ErrorCode::kBadRequest, "there is no such command; secbeat --help lists them"}, kUsage);
}

}  // namespace

void add_completion_command(CLI::App& app, Run& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "A script with which bash or zsh completes secbeat's words");
  command->footer(
      "Examples:\n"
      "  source <(secbeat completion bash)      # for this shell; in ~/.bashrc for every one\n"
      "  source <(secbeat completion zsh)       # in ~/.zshrc, after compinit\n"
      "  secbeat completion zsh > \"${fpath[1]}/_secbeat\"");
  command->add_option("shell", *shell, "The shell")->required()->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([shell, &app, &run] {
    run = [shell, &app] {
      const CommandInfo program = describe(app);
      fmt::print("{}", *shell == "bash" ? bash_completion(program) : zsh_completion(program));
      return kOk;
    };
  });
}

void add_man_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<ManOptions>();
  CLI::App* command = app.add_subcommand("man", "The manual page of a command");
  command->footer(
      "In the form that man reads.\n\n"
      "Examples:\n"
      "  secbeat man reload | man -l -\n"
      "  secbeat man --output /usr/local/share/man/man1");
  command->add_option("command", options->command, "The command; default: the page about all of them");
  command->add_option("--output", options->output, "Instead: write every page into this folder")->type_name("FOLDER");
  command->callback([options, &app, &run] { run = [options, &app] { return run_man(describe(app), *options); }; });
}

}  // namespace secbeat::cli
