// demo: becomes the tour of one node, or of a fleet, which are scripts.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/own_programs.hpp"

namespace secbeat::cli {
namespace {

constexpr int kFewest = 2;  // nodes of a fleet
constexpr int kMost = 9;

struct Port {
  const char* option;
  const char* about;
  bool is_of_fleet;
};

constexpr std::array<Port, 5> kPorts{{
    {"--site-port", "Where the protected site listens: 8000; of a fleet the first node's, 8001", false},
    {"--api-port", "Where the node's API listens: 9090; of a fleet the first node's, 9091", false},
    {"--demo-port", "Where the unprotected demo site listens: 8001; of a fleet 8000", false},
    {"--orchestrator-port", "With --fleet: where the orchestrator's API listens: 8080", true},
    {"--nats-port", "With --fleet: where NATS listens: 4222", true},
}};

struct DemoOptions {
  int nodes = 0;
  bool once = false;
  std::array<int, kPorts.size()> ports{};  // 0: not chosen
};

std::vector<std::string> words_of(const DemoOptions& options, const std::filesystem::path& folder) {
  std::vector<std::string> words{"python3",  (folder / (options.nodes == 0 ? "tour.py" : "fleet_tour.py")).string(),
                                 "--build",  folder.parent_path().parent_path().parent_path().string(),
                                 "--called", "secbeat demo"};
  if (options.nodes != 0) words.insert(words.end(), {"--nodes", std::to_string(options.nodes)});
  if (options.once) words.emplace_back("--once");
  for (std::size_t i = 0; i < kPorts.size(); ++i) {
    if (options.ports.at(i) != 0) {
      words.insert(words.end(), {kPorts.at(i).option, std::to_string(options.ports.at(i))});
    }
  }
  return words;
}

// Comes back only where the demo cannot be started.
int run_demo(const DemoOptions& options) {
  const auto folder = find_own_demo();
  if (!folder) return complain(folder.error(), kRefused);
  std::vector<std::string> words = words_of(options, *folder);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execvp("python3", pointers.data());
  return complain({ErrorCode::kConfig,
                   "The demo is a Python script, and python3 cannot be started; on Debian: apt install python3"},
                  kRefused);
}

}  // namespace

void add_demo_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = app.add_subcommand("demo", "Show the product at work on this machine, with traffic running");
  command->footer(
      "Starts a small demo site and a node that protects it on loopback, and walks through reload, refused uploads "
      "and\n"
      "rollback under traffic; with --fleet NATS, an orchestrator and nodes: a rollout, a bad version halted at the\n"
      "canary, a node that is cut off and comes back. Every step checks what came out. Then it serves until Ctrl-C, "
      "and\n"
      "leaves nothing behind. Needs python3 and nginx, with --fleet also nats-server.\n\n"
      "Examples:\n"
      "  secbeat demo\n"
      "  secbeat demo --fleet 3\n"
      "  secbeat demo --fleet 5 --once");
  CLI::Option* fleet = command->add_option("--fleet", options->nodes, "A fleet of so many nodes")
                           ->type_name("NODES")
                           ->check(CLI::Range(kFewest, kMost));
  command->add_flag("--once", options->once,
                    "End after the tour: exit status 0 if every step did what it should, else 1");
  for (std::size_t i = 0; i < kPorts.size(); ++i) {
    CLI::Option* port = command->add_option(kPorts.at(i).option, options->ports.at(i), kPorts.at(i).about)
                            ->type_name("N")
                            ->check(CLI::Range(1, 65535));
    if (kPorts.at(i).is_of_fleet) port->needs(fleet);
  }
  command->callback([options, &run] { run = [options] { return run_demo(*options); }; });
}

}  // namespace secbeat::cli
