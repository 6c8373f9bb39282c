// What the commands of break-glass have in common: they ask the node's API, and where no agent answers they write to
// the scoreboard of a node on this machine.
#pragma once

#include <functional>
#include <string>

#include "node_api/api_command.hpp"
#include "secbeat/agent/without_agent.hpp"

namespace secbeat::cli {

struct GlassOptions {
  ApiOptions api;
  std::string state_dir;
  std::string reason;
  bool local = false;

  // --state-dir, --local and those of the API; --reason with `standard` as what is said where none is given.
  void add_to(CLI::App& command, const char* standard);
  void add_to(CLI::App& command);
  // Empty: none was named, and the API's address is not that of a node without a configuration, so that the folder of
  // such a node is perhaps another node's.
  [[nodiscard]] std::string folder(const Client& client) const;
};

// "90", "90s", "10m", "2h" in seconds; empty: none of these.
std::optional<std::chrono::seconds> duration_of(std::string_view text);

// kIo: no agent answers, or with --local none was asked.
Result<void> ask_agent(const GlassOptions& options, const Client& client);

// Does it without the agent, for `why`, and says so; the exit code.
using Act = std::function<Result<agent::WithoutAgent::Done>(agent::WithoutAgent&)>;
int act_without_agent(const GlassOptions& options, const Client& client, const Error& why, const Act& act);

}  // namespace secbeat::cli
