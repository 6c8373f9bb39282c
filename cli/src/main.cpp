// secbeat: one binary, a subcommand for each thing to do. main() wires; the work is in the components.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "commands.hpp"
#include "exit_codes.hpp"

namespace {

// Where descriptors 0 to 2 are closed, the next file opened would take their place and receive what is printed.
void fill_standard_descriptors() {
  for (int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0; fd = ::dup(fd)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

int run_main(int argc, char** argv) {
  CLI::App app("SecBeat replaces the rules of a web application firewall inside a running nginx.", "secbeat");
  app.require_subcommand(1);
  app.set_version_flag("--version", "secbeat " SECBEAT_VERSION);
  app.footer(
      "Exit status: 0 done; 1 refused, with the reason on standard error; 2 wrong use or unreadable file;\n"
      "3 nobody answers at the API's address.\n"
      "Start here: secbeat node --help, secbeat reload --help, secbeat status --help");

  secbeat::cli::Run run;
  secbeat::cli::add_node_command(app, run);
  secbeat::cli::add_status_command(app, run);
  secbeat::cli::add_version_command(app, run);
  secbeat::cli::add_history_command(app, run);
  secbeat::cli::add_reload_command(app, run);
  secbeat::cli::add_rollback_command(app, run);
  secbeat::cli::add_remove_command(app, run);
  secbeat::cli::add_validate_command(app, run);
  secbeat::cli::add_archive_command(app, run);
  secbeat::cli::add_compile_command(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const auto named = [argv](const CLI::App* command) { return command->get_name() == argv[1]; };
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty()) {
      fmt::print(stderr, "secbeat: there is no command '{}'; secbeat --help lists them\n", argv[1]);
      return secbeat::cli::kUsage;
    }
    return app.exit(error) == 0 ? secbeat::cli::kOk : secbeat::cli::kUsage;
  }
  return run();
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  try {
    return run_main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "secbeat: {}\n", error.what());
    return secbeat::cli::kRefused;
  }
}
