// What the commands that talk to a node have in common: the address, --json, and how an answer ends.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "client.hpp"
#include "terminal.hpp"

namespace secbeat::cli {

struct ApiOptions {
  std::string address = "http://127.0.0.1:9090";
  bool json = false;

  void add_to(CLI::App& command);
};

// Prints the answer (as it came with --json, else by `show`) or the node's reason, and gives the exit code.
int finish(const ApiOptions& options, const Result<Reply>& reply, const std::function<void(const Json&)>& show);

// Says a failure on standard error and gives its exit code.
int complain(const Error& error, int exit_code);

}  // namespace secbeat::cli
