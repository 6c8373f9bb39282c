// node: runs the agent in this process.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/api_server.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/node.hpp"

namespace secbeat::cli {

void add_node_command(CLI::App& app, Run& run) {
  struct Options {
    std::string config;
    bool check = false;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("node", "Run a node: protect a site and serve the management API");
  command->footer(
      "Starts nginx with a generated configuration and supervises it, or works beside an nginx that you run\n"
      "(nginx = \"external\" in [proxy]). Ends gracefully on SIGTERM and Ctrl-C.\n\n"
      "Examples:\n"
      "  secbeat node --config /etc/secbeat/secbeat.toml\n"
      "  secbeat node --config secbeat.toml --check");
  command->add_option("--config", options->config, "The configuration, TOML")
      ->type_name("FILE")
      ->required()
      ->envname("SECBEAT_CONFIG");
  CLI::Option* check = command->add_flag("--check", options->check, "Only check the configuration");
  command->add_flag("--json", options->json, "With --check: print the result as JSON, for programs")->needs(check);
  command->callback([options, &run] {
    run = [options] {
      auto config = agent::load_config(options->config);
      if (config && options->check) {
        if (auto files = agent::ApiServer::check_files(*config); !files) config = std::unexpected(files.error());
      }
      if (options->check && options->json) {
        fmt::print("{}\n", json_text(Json{{"file", options->config},
                                          {"valid", config.has_value()},
                                          {"error", config ? Json() : Json(config.error().message)},
                                          {"notices", config ? config->notices : std::vector<std::string>()}}));
        return config ? kOk : kUsage;
      }
      if (!config) {
        fmt::print(stderr, "secbeat: {}\n", clean_lines(config.error().message));
        return kUsage;
      }
      if (options->check) {
        fmt::print("{}: good\n", clean(options->config));
        for (const std::string& notice : config->notices) fmt::print("  notice: {}\n", clean(notice));
        return kOk;
      }
      return agent::run_node(*config);
    };
  });
}

}  // namespace secbeat::cli
