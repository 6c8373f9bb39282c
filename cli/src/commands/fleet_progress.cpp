#include "commands/fleet_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <thread>

#include "commands/render.hpp"
#include "node_api/api_command.hpp"

namespace secbeat::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenLooks = 200ms;
constexpr auto kPatience = 60s;  // with an orchestrator that does not answer

}  // namespace

std::string rollout_line(const Json& rollout) {
  const Json& waves = rollout.at("waves");
  const auto wave = rollout.at("wave").get<std::size_t>();
  std::size_t nodes = 0;
  std::size_t done = 0;
  for (const Json& one : waves) {
    for (const Json& node : one.at("nodes")) {
      ++nodes;
      const std::string state = text_of(node, "state");
      if (state == "committed" || (text_of(rollout, "state") == "staging" && state == "staged")) ++done;
    }
  }
  return fmt::format("{} {}: wave {} of {}, {} of {} nodes", clean(text_of(rollout, "id")),
                     clean(text_of(rollout, "state")), std::min(wave + 1, waves.size()), waves.size(), done, nodes);
}

Result<Json> follow_rollout(const Client& client, const std::string& id) {
  const bool shows = ::isatty(STDERR_FILENO) != 0;
  std::string shown;
  auto answered = std::chrono::steady_clock::now();
  for (;;) {
    const auto rollout = success_of(client, client.get("/api/v1/rollouts/" + url_encode(id)), kRolloutShape);
    const bool silent = !rollout && rollout.error().code != ErrorCode::kUnknownRollout;
    if (!rollout) {
      if (!silent || std::chrono::steady_clock::now() - answered > kPatience) return rollout;
    } else {
      answered = std::chrono::steady_clock::now();
      const std::string line = rollout_line(*rollout);
      if (shows && line != shown) fmt::print(stderr, "{}\n", line);
      shown = line;
      if (rollout->at("ended").get<bool>()) return rollout;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace secbeat::cli
