// What one inspection costs, and its parts one by one, on thousands of different requests. bench/inspection/run.py runs
// it in interleaved rounds; with --count NAME N it only repeats one case, for a tool that counts instructions.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "frame_writer.hpp"
#include "guest.hpp"
#include "json_input.hpp"
#include "requests.hpp"
#include "secbeat/base/files.hpp"
#include "site.hpp"
#include "ticker.hpp"

namespace secbeat::bench {
namespace {

using engine::Isolation;
using engine::RequestView;

// What is measured: something done to the i-th request.
using Step = std::function<void(std::size_t)>;

struct Case {
  std::string name;
  std::function<Step()> prepare;
};

const Requests& gets() {
  static const Requests requests(Requests::Kind::kGet);
  return requests;
}
const Requests& posts() {
  static const Requests requests(Requests::Kind::kPost);
  return requests;
}

// An engine that is ticked, as a worker's is.
struct Running {
  std::unique_ptr<engine::Engine> engine = value_of(engine::Engine::create(), "engine");
  engine::Ticker ticker{*engine};

  std::shared_ptr<const engine::Artifact> load(std::string_view guest) const {
    const std::string bytes = artifact_of(guest);
    return value_of(engine::Artifact::load(*engine, bytes, sha256_hex(bytes)), guest);
  }
};

Step call_alone() {
  auto running = std::make_shared<Running>();
  auto guest = engine::Guest::create(*running->load("empty_abi2"), {}, std::chrono::seconds(1));
  if (!guest) throw std::runtime_error(guest.error().message);
  return [running, guest = std::shared_ptr<engine::Guest>(std::move(*guest))](std::size_t) {
    guest->start_budget(std::chrono::milliseconds(5));
    benchmark::DoNotOptimize(guest->call(engine::GuestFunction::kInspect, 0, 0));
  };
}

Step frame_alone(const Requests& requests) {
  return [&requests, place = std::vector<std::byte>(8192)](std::size_t i) mutable {
    const RequestView& request = requests[i];
    engine::write_frame(request, std::span(place).first(engine::frame_size(request).value_or(0)));
    benchmark::DoNotOptimize(place.data());
    benchmark::ClobberMemory();
  };
}

Step json_alone(const Requests& requests) {
  return [&requests, json = engine::JsonInput()](std::size_t i) mutable {
    benchmark::DoNotOptimize(json.write(requests[i]).data());
  };
}

Step inspect(std::string_view guest, const Requests& requests) {
  auto running = std::make_shared<Running>();
  const std::shared_ptr<engine::Instance> instance =
      value_of(engine::Instance::create(*running->engine, running->load(guest), {}, {}), guest);
  return [running, instance, &requests](std::size_t i) { benchmark::DoNotOptimize(instance->inspect(requests[i])); };
}

Step decide(std::string_view guest, const Requests& requests, Isolation isolation = Isolation::kInstance) {
  return [site = std::make_shared<Site>(guest, isolation), &requests](std::size_t i) {
    benchmark::DoNotOptimize(site->worker().decide(requests[i]));
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> cases{
      {"call", call_alone},
      {"frame/get", [] { return frame_alone(gets()); }},
      {"frame/post", [] { return frame_alone(posts()); }},
      {"json/get", [] { return json_alone(gets()); }},
      {"json/post", [] { return json_alone(posts()); }},
      {"decide/request/empty_abi2/get", [] { return decide("empty_abi2", gets(), Isolation::kRequest); }},
      {"decide/request/bad-bot-blocker/get", [] { return decide("bad-bot-blocker", gets(), Isolation::kRequest); }},
  };
  for (const char* guest : {"empty_abi2", "empty_abi1", "bad-bot-blocker", "abi1_json"}) {
    for (const auto& [word, requests] : {std::pair("get", &gets()), std::pair("post", &posts())}) {
      cases.push_back(
          {fmt::format("inspect/{}/{}", guest, word), [guest, sent = requests] { return inspect(guest, *sent); }});
      cases.push_back(
          {fmt::format("decide/{}/{}", guest, word), [guest, sent = requests] { return decide(guest, *sent); }});
    }
  }
  return cases;
}

int count(const std::vector<Case>& cases, std::string_view name, std::size_t times) {
  for (const Case& one : cases) {
    if (one.name != name) continue;
    const Step step = one.prepare();
    for (std::size_t i = 0; i < times; ++i) step(i);
    return 0;
  }
  fmt::print(stderr, "there is no case {}\n", name);
  return 2;
}

int measure(const std::vector<Case>& cases, int argc, char** argv) {
  for (const Case& one : cases) {
    // Prepared once for all rounds: what is interleaved is the measuring.
    auto step = std::make_shared<Step>();
    benchmark::RegisterBenchmark(one.name.c_str(), [&one, step](benchmark::State& state) {
      if (!*step) *step = one.prepare();
      std::size_t i = 0;
      for (auto _ : state) (*step)(i++);
    });
  }
  benchmark::AddCustomContext("get_bytes", fmt::format("{:.0f}", gets().mean_wire_bytes()));
  benchmark::AddCustomContext("post_bytes", fmt::format("{:.0f}", posts().mean_wire_bytes()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace secbeat::bench

int main(int argc, char** argv) {
  try {
    const auto cases = secbeat::bench::all_cases();
    if (argc == 4 && std::string_view(argv[1]) == "--count") {
      return secbeat::bench::count(cases, argv[2], std::strtoul(argv[3], nullptr, 10));
    }
    return secbeat::bench::measure(cases, argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
