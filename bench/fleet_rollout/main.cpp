// The two sides of bench/fleet_rollout, each a process of its own that run.py starts. Both read a line and answer with
// a line of JSON, until there is none.
//
//   fleet-rollout-bench --url U nodes --count N [--share K]    K nodes on each connection
//   fleet-rollout-bench --url U orchestrator --module FILE
//     nodes N     waits until so many report
//     reload I    brings the module with I in a custom section, other bytes than any before, to all of them
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "secbeat/base/files.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/names.hpp"
#include "secbeat/orchestrator/rollouts.hpp"
#include "simulated_node.hpp"

namespace secbeat::bench {
namespace {

using Json = nlohmann::ordered_json;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{20};
constexpr milliseconds kPatience{300000};
constexpr std::size_t kMaxModule = std::size_t{64} << 20U;

void say(const Json& json) { std::cout << json.dump() << std::endl; }

std::shared_ptr<fleet::Connection> connect(const std::string& url, const std::string& name) {
  auto connection = fleet::Connection::start({.url = url, .name = name});
  if (!connection) throw std::runtime_error(connection.error().message);
  while (!(*connection)->connected()) std::this_thread::sleep_for(kTick);
  return *std::move(connection);
}

void run_nodes(const std::string& url, unsigned count, unsigned share) {
  NodeCounts counts;
  std::vector<std::unique_ptr<SimulatedNode>> nodes;
  std::shared_ptr<fleet::Connection> connection;
  for (unsigned i = 0; i < count; ++i) {
    const std::string name = "node-" + std::to_string(i + 1);
    if (i % share == 0) connection = connect(url, "secbeat node " + name);
    nodes.push_back(std::make_unique<SimulatedNode>(connection, name, counts));
    if (!nodes.back()->begin()) throw std::runtime_error(name + " cannot listen");
  }
  say({{"nodes", count}});
  for (std::string line; std::getline(std::cin, line);) {
    say({{"fetched", counts.fetched.load()},
         {"fetched_bytes", counts.fetched_bytes.load()},
         {"committed", counts.committed.load()},
         {"asked", counts.asked.load()},
         {"faults", counts.faults.load()}});
  }
  std::_Exit(0);  // thousands of threads would be ended one after another
}

// When the reload event came: the first one is published once all nodes have staged, the second one once the version
// is the desired one.
class Events {
 public:
  explicit Events(fleet::Connection& connection)
      : subscription_(connection.subscribe(fleet::kReloadEvent, [this](std::string_view /*order*/) {
          const std::scoped_lock lock(mutex_);
          times_.push_back(Steady::now());
          come_.notify_all();
          return std::string();
        })) {}

  std::vector<Steady::time_point> take(std::size_t number) {
    std::unique_lock lock(mutex_);
    come_.wait_for(lock, kPatience, [&] { return times_.size() >= number; });
    return std::exchange(times_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  std::vector<Steady::time_point> times_;  // guarded by mutex_
  Result<std::unique_ptr<fleet::Subscription>> subscription_;
};

std::string distinct(const std::string& module, const std::string& number) {
  const std::string content = std::string("\x0e") + "secbeat.number" + number;
  return module + '\0' + static_cast<char>(content.size()) + content;
}

Json reload(orchestrator::Rollouts& rollouts, Events& events, const std::string& module) {
  const auto begun = Steady::now();
  const auto since = [&](Steady::time_point then) {
    return std::chrono::duration<double, std::milli>(then - begun).count();
  };
  const auto id = rollouts.begin({.module = "waf",
                                  .file = module,
                                  .config = R"({"rules":[]})",
                                  .embedded_version = {},
                                  .expected_version = {},
                                  .reason = "bench",
                                  .by = "bench"});
  if (!id) throw std::runtime_error(id.error().error.message);
  const double written = since(Steady::now());
  const auto ended = rollouts.wait(*id, kPatience);
  const double answered = since(Steady::now());
  if (!ended || !*ended) throw std::runtime_error("the rollout does not end");
  const auto outcome = orchestrator::outcome_of(**ended);
  if (!outcome) throw std::runtime_error(outcome.error().error.message);
  const auto times = events.take(2);
  if (times.size() != 2) throw std::runtime_error("the events did not come");
  return {{"deployed", outcome->deployed_to.size()},
          {"begun_ms", written},
          {"staged_ms", since(times.front())},
          {"committed_ms", since(times.back())},
          {"answered_ms", answered},
          {"document_bytes", to_json(**ended).size()}};
}

void run_orchestrator(const std::string& url, const std::string& path) {
  const auto connection = connect(url, "secbeat orchestrator");
  const auto listener = connect(url, "listener");
  const auto module = read_file(path, kMaxModule);
  if (!module) throw std::runtime_error(module.error().message);
  orchestrator::Rollouts rollouts(*connection, {.name = "bench"});
  if (const auto made = rollouts.prepare(1); !made) throw std::runtime_error(made.error().message);
  rollouts.take_over();
  Events events(*listener);
  say({{"ready", true}});
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string word;
    std::size_t number = 0;
    words >> word >> number;
    if (word == "reload") {
      say(reload(rollouts, events, distinct(*module, std::to_string(number))));
      continue;
    }
    const auto deadline = Steady::now() + kPatience;
    std::size_t known = 0;
    Json json;
    while (known != number && Steady::now() < deadline) {
      const auto asked = Steady::now();
      const auto nodes = rollouts.nodes();
      json["list_ms"] = std::chrono::duration<double, std::milli>(Steady::now() - asked).count();
      known = nodes ? nodes->size() : 0;
      if (known != number) std::this_thread::sleep_for(kTick);
    }
    json["nodes"] = known;
    say(json);
  }
}

int run(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("bench"));
  CLI::App app("The two sides of bench/fleet_rollout");
  std::string url;
  std::string module;
  unsigned count = 0;
  unsigned share = 1;
  app.add_option("--url", url)->required();
  CLI::App* nodes = app.add_subcommand("nodes");
  nodes->add_option("--count", count)->required();
  nodes->add_option("--share", share);
  CLI::App* orchestrator = app.add_subcommand("orchestrator");
  orchestrator->add_option("--module", module)->required();
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  if (*nodes) run_nodes(url, count, share);
  if (*orchestrator) run_orchestrator(url, module);
  return 0;
}

}  // namespace
}  // namespace secbeat::bench

int main(int argc, char** argv) {
  try {
    return secbeat::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fleet-rollout-bench: %s\n", error.what());
    return 1;
  }
}
