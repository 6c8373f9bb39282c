// What universal-waf costs a request with many rules, in the worker, and what it costs to configure an instance.
// bench/rules/run.py runs it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "requests.hpp"
#include "rule_sets.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/engine.hpp"
#include "site.hpp"

namespace secbeat::bench {
namespace {

constexpr std::size_t kCounts[] = {10, 100, 1000, 10'000};

void measure_requests(benchmark::State& state, std::size_t rules, const Requests& requests) {
  Site site("universal-waf", engine::Isolation::kInstance, rule_document(rules));
  std::size_t i = 0;
  for (; i < Requests::kCount; ++i) benchmark::DoNotOptimize(site.worker().decide(requests[i]));
  for (auto _ : state) benchmark::DoNotOptimize(site.worker().decide(requests[i++]));
}

void measure_configure(benchmark::State& state, std::size_t rules) {
  const auto engine = value_of(engine::Engine::create(), "engine");
  const std::string bytes = artifact_of("universal-waf");
  const auto artifact = value_of(engine::Artifact::load(*engine, bytes, sha256_hex(bytes)), "artifact");
  const std::string document = rule_document(rules);
  for (auto _ : state) {
    benchmark::DoNotOptimize(value_of(engine::Instance::create(*engine, artifact, {}, document), "instance"));
  }
}

int run(int argc, char** argv) {
  const Requests gets(Requests::Kind::kGet);
  const Requests posts(Requests::Kind::kPost);
  for (const std::size_t rules : kCounts) {
    benchmark::RegisterBenchmark(fmt::format("get/{}", rules).c_str(),
                                 [&, rules](benchmark::State& state) { measure_requests(state, rules, gets); });
    benchmark::RegisterBenchmark(fmt::format("post/{}", rules).c_str(),
                                 [&, rules](benchmark::State& state) { measure_requests(state, rules, posts); });
    benchmark::RegisterBenchmark(fmt::format("configure/{}", rules).c_str(),
                                 [rules](benchmark::State& state) { measure_configure(state, rules); });
  }
  benchmark::AddCustomContext("get_bytes", fmt::format("{:.0f}", gets.mean_wire_bytes()));
  benchmark::AddCustomContext("post_bytes", fmt::format("{:.0f}", posts.mean_wire_bytes()));
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
    return secbeat::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
