// The cost of an inspection that does nothing: the call, and the frame or JSON of a browser's GET.
#include <benchmark/benchmark.h>

#include "testing.hpp"

namespace secbeat::engine {
namespace {

std::unique_ptr<Instance> empty_guest(testing::Host& host, int abi) {
  return host.instance(testing::guest(
      "(i32.const 0)", "(func (export \"secbeat_abi\") (result i32) (i32.const " + std::to_string(abi) + "))"));
}

void inspect_each(benchmark::State& state, int abi, const RequestView& request) {
  testing::Host host;
  const auto instance = empty_guest(host, abi);
  for (auto _ : state) benchmark::DoNotOptimize(instance->inspect(request));
}

void BM_EmptyRequestAbi2(benchmark::State& state) { inspect_each(state, 2, RequestView{}); }
void BM_BrowserGetAbi2(benchmark::State& state) { inspect_each(state, 2, testing::browser_get()); }
void BM_BrowserGetAbi1(benchmark::State& state) { inspect_each(state, 1, testing::browser_get()); }

void BM_CreateInstance(benchmark::State& state) {
  testing::Host host;
  const std::string module = testing::guest("(i32.const 0)");
  const auto artifact = host.load(module);
  for (auto _ : state) benchmark::DoNotOptimize(Instance::create(host.engine(), artifact, Limits{}, {}));
}

BENCHMARK(BM_EmptyRequestAbi2);
BENCHMARK(BM_BrowserGetAbi2);
BENCHMARK(BM_BrowserGetAbi1);
BENCHMARK(BM_CreateInstance);

}  // namespace
}  // namespace secbeat::engine
