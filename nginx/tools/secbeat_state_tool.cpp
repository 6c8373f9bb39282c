// What an agent does for the workers, by hand, for the tests of the nginx module:
//
//   secbeat_state_tool artifact MODULE OUTPUT     compiles, writes the artifact, prints its SHA-256
//   secbeat_state_tool scoreboard PATH UID GID    makes the scoreboard
//   secbeat_state_tool counters PATH              prints what the workers have counted, as JSON
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "secbeat/engine/compile.hpp"

namespace {

using secbeat::control::Scoreboard;

int refuse(const secbeat::Error& error) {
  std::cerr << error.message << '\n';
  return EXIT_FAILURE;
}

int make_artifact(const std::string& module, const std::string& output) {
  secbeat::engine::CompileJob job;
  job.module = module;
  job.output = output;
  job.rehearsal = secbeat::engine::Rehearsal::kSkip;
  const auto report = secbeat::engine::run_compile_job(job);
  if (!report) return refuse(report.error());
  if (report->error) return refuse(*report->error);
  std::cout << report->artifact_sha256 << '\n';
  return EXIT_SUCCESS;
}

int make_scoreboard(const std::string& path, const std::string& owner, const std::string& group) {
  const auto made =
      Scoreboard::create(path, static_cast<uid_t>(std::stoul(owner)), static_cast<gid_t>(std::stoul(group)));
  return made ? EXIT_SUCCESS : refuse(made.error());
}

int print_counters(const std::string& path) {
  const auto scoreboard = Scoreboard::open(path);
  if (!scoreboard) return refuse(scoreboard.error());
  const auto& layout = (*scoreboard)->layout();
  std::cout << "{\"requests\": " << (*scoreboard)->total_requests() << ", \"workers\": [";
  std::string_view separator;
  for (const std::uint32_t slot : (*scoreboard)->live_slots()) {
    const auto& worker = layout.workers[slot];
    std::cout << separator << "{\"pid\": " << worker.pid << ", \"requests\": " << worker.requests
              << ", \"generation\": " << worker.generation << "}";
    separator = ", ";
  }
  std::cout << "]}\n";
  return EXIT_SUCCESS;
}

int run(std::span<const std::string> arguments) {
  if (arguments.size() == 3 && arguments[0] == "artifact") return make_artifact(arguments[1], arguments[2]);
  if (arguments.size() == 4 && arguments[0] == "scoreboard")
    return make_scoreboard(arguments[1], arguments[2], arguments[3]);
  if (arguments.size() == 2 && arguments[0] == "counters") return print_counters(arguments[1]);
  std::cerr << "usage: secbeat_state_tool artifact MODULE OUTPUT | scoreboard PATH UID GID | counters PATH\n";
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
