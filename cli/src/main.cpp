// secbeat: one binary, a subcommand for each thing to do. main() wires; the work is in the components.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <system_error>

#include "app.hpp"
#include "exit_codes.hpp"
#include "secbeat/service/log.hpp"
#include "terminal/terminal.hpp"

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
  CLI::App app;
  secbeat::cli::Run run;
  secbeat::cli::build_app(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const auto named = [argv](const CLI::App* command) { return command->get_name() == argv[1]; };
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty()) {
      fmt::print(stderr, "secbeat: there is no command '{}'; secbeat --help lists them\n",
                 secbeat::cli::clean(argv[1]));
      return secbeat::cli::kUsage;
    }
    return app.exit(error) == 0 ? secbeat::cli::kOk : secbeat::cli::kUsage;
  }
  return run();
}

// What stands in a buffer is written at the end at the latest; only then does it show whether it could be.
int with_output_written(int exit_code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  fmt::print(stderr, "secbeat: cannot write to standard output: {}; what was asked may have been done\n",
             std::generic_category().message(errno));
  return secbeat::cli::kUnwritten;
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  try {
    secbeat::service::log_to_standard_error("info");  // standard output is for what a command prints
    return with_output_written(run_main(argc, argv));
  } catch (const std::exception& error) {
    if (std::ferror(stdout) != 0) return with_output_written(secbeat::cli::kUnwritten);
    fmt::print(stderr, "secbeat: {}\n", secbeat::cli::clean_lines(error.what()));
    return secbeat::cli::kRefused;
  }
}
