// What the commands that talk to a node have in common: the address, --json, and how an answer ends.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>

#include "node_api/answer.hpp"
#include "node_api/client.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {

struct ApiOptions {
  std::string api;
  std::string profile;
  std::string key_file;
  std::string ca;
  bool json = false;

  void add_to(CLI::App& command);
  // The same for an orchestrator.
  void add_to_fleet(CLI::App& command);
};

// Chooses the node and has `ask` talk to it; its exit code. Where there is no telling which node: kUsage.
int with_node(const ApiOptions& options, const std::function<int(const Client&)>& ask);
// The same with an orchestrator: --api, --profile, SECBEAT_ORCHESTRATOR, kOrchestratorAddress.
int with_orchestrator(const ApiOptions& options, const std::function<int(const Client&)>& ask);

// Prints an answer of success (as it came with --json, else what `render` makes of it) or the node's reason, and gives
// the exit code. An answer that lacks one of `shape`, or is no node's answer at all, is kUnreachable: nothing is
// printed that nobody said.
using Render = std::function<std::string(const Json&)>;
int finish(const ApiOptions& options, const Client& client, const Result<Reply>& reply, std::span<const Field> shape,
           const Render& render);

// The answer of a call that must succeed, for commands that put several together. kIo: nobody answered; kProtocol: not
// as a node does; else the node's own code and reason.
Result<Json> success_of(const Client& client, const Result<Reply>& reply, std::span<const Field> shape);

// Says a failure on standard error and gives the exit code.
int complain(const Error& error, int exit_code);
// The same for what success_of() gave.
int complain(const Error& error);

}  // namespace secbeat::cli
