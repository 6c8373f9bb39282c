// node, orchestrator: what runs in this process until it is told to end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/api_server.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/node.hpp"
#include "secbeat/orchestrator/program.hpp"

namespace secbeat::cli {
namespace {

struct ProgramOptions {
  std::string config;
  bool check = false;
  bool json = false;
};

// What the two have of their own.
struct Serving {
  const char* name;
  const char* about;
  const char* footer;
  agent::Program program;
  Result<void> (*check_files)(const agent::Config&);
  int (*run)(const agent::Config&);
};

constexpr Serving kNode{"node",
                        "Run a node: protect a site and serve the management API",
                        "Starts nginx with a generated configuration and supervises it, or works beside an nginx that "
                        "you run\n"
                        "(nginx = \"external\" in [proxy]). Ends gracefully on SIGTERM and Ctrl-C.\n\n"
                        "Examples:\n"
                        "  secbeat node --config /etc/secbeat/secbeat.toml\n"
                        "  secbeat node --config secbeat.toml --check",
                        agent::Program::kNode,
                        &agent::ApiServer::check_files,
                        &agent::run_node};

constexpr Serving kOrchestrator{
    "orchestrator",
    "Lead a fleet: one call changes the rules of every node",
    "Keeps everything in NATS JetStream: several may run, and one goes on with what another has left. Nodes join by\n"
    "[nats] url in their configuration. Ends gracefully on SIGTERM and Ctrl-C; a rollout goes on when one is back.\n\n"
    "Examples:\n"
    "  secbeat orchestrator --config /etc/secbeat/orchestrator.toml\n"
    "  secbeat orchestrator --config orchestrator.toml --check",
    agent::Program::kOrchestrator,
    &orchestrator::check_files,
    &orchestrator::run_orchestrator};

int run_program(const Serving& serving, const ProgramOptions& options) {
  auto config = agent::load_config(options.config, serving.program);
  if (config && options.check) {
    if (auto files = serving.check_files(*config); !files) config = std::unexpected(files.error());
  }
  if (options.check && options.json) {
    fmt::print("{}\n", json_text(Json{{"file", options.config},
                                      {"valid", config.has_value()},
                                      {"error", config ? Json() : Json(config.error().message)},
                                      {"notices", config ? config->notices : std::vector<std::string>()}}));
    return config ? kOk : kUsage;
  }
  if (!config) {
    fmt::print(stderr, "secbeat: {}\n", clean_lines(config.error().message));
    return kUsage;
  }
  if (options.check) {
    fmt::print("{}: good\n", clean(options.config));
    for (const std::string& notice : config->notices) fmt::print("  notice: {}\n", clean(notice));
    return kOk;
  }
  return serving.run(*config);
}

void add_program(CLI::App& app, Run& run, const Serving& serving) {
  auto options = std::make_shared<ProgramOptions>();
  CLI::App* command = app.add_subcommand(serving.name, serving.about);
  command->footer(serving.footer);
  command->add_option("--config", options->config, "The configuration, TOML")
      ->type_name("FILE")
      ->required()
      ->envname("SECBEAT_CONFIG");
  CLI::Option* check = command->add_flag("--check", options->check, "Only check the configuration");
  command->add_flag("--json", options->json, "With --check: print the result as JSON, for programs")->needs(check);
  command->callback(
      [options, &serving, &run] { run = [options, &serving] { return run_program(serving, *options); }; });
}

}  // namespace

void add_node_command(CLI::App& app, Run& run) { add_program(app, run, kNode); }
void add_orchestrator_command(CLI::App& app, Run& run) { add_program(app, run, kOrchestrator); }

}  // namespace secbeat::cli
