// node: runs the agent in this process.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "api_command.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/node.hpp"

namespace secbeat::cli {

void add_node_command(CLI::App& app, Run& run) {
  struct Options {
    std::string config;
    bool check = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("node", "Run a node: protect a site and serve the management API");
  command->footer(
      "Starts nginx with a generated configuration and supervises it, or works beside an nginx that you run\n"
      "(nginx = \"external\" in [proxy]). Ends gracefully on SIGTERM and Ctrl-C.\n\n"
      "Examples:\n"
      "  secbeat node --config /etc/secbeat/secbeat.toml\n"
      "  secbeat node --config secbeat.toml --check");
  command->add_option("--config", options->config, "The configuration, TOML")->required()->envname("SECBEAT_CONFIG");
  command->add_flag("--check", options->check, "Only check the configuration");
  command->callback([options, &run] {
    run = [options] {
      const auto config = agent::load_config(options->config);
      if (!config) {
        fmt::print(stderr, "secbeat: {}\n", config.error().message);
        return kUsage;
      }
      if (options->check) {
        fmt::print("{}: good\n", options->config);
        for (const std::string& notice : config->notices) fmt::print("  notice: {}\n", notice);
        return kOk;
      }
      return agent::run_node(*config);
    };
  });
}

}  // namespace secbeat::cli
