#include <wasmtime/config.h>

#include <algorithm>
#include <chrono>

#include "compile_parts.hpp"
#include "cost_requests.hpp"
#include "settings.hpp"
#include "ticker.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine {
namespace {

// Counting code is several times slower than what serves; these only end what never ends.
constexpr std::chrono::milliseconds kCallBudget{5000};
constexpr std::chrono::milliseconds kConfigureBudget{20'000};
// Of all requests together: half a second of such code.
constexpr std::uint64_t kMostFuelInAll = 2 * kMostFuel;
constexpr std::size_t kLarge = std::size_t{128} << 10U;

Result<std::string> compile_counting(const std::string& module, CountingCompile::Runs runs) {
  wasm_config_t* const settings = new_counting_settings();
  wasmtime_config_strategy_set(settings, WASMTIME_STRATEGY_CRANELIFT);
  // Fuel is counted by instructions of WebAssembly: how good the machine's code is makes no difference to it, so that
  // it need not be optimised. Single-pass allocation of registers saves a third of this compile, and such code counts
  // three times as long.
  wasmtime_config_cranelift_opt_level_set(settings, WASMTIME_OPT_LEVEL_NONE);
  if (runs == CountingCompile::Runs::kOnce) {
    wasmtime_config_cranelift_regalloc_algorithm_set(settings, WASMTIME_REGALLOC_SINGLE_PASS);
  }
  wasmtime_config_parallel_compilation_set(settings, false);
  const EngineHandle engine(wasm_engine_new_with_config(settings));
  if (!engine) return fail(ErrorCode::kInternal, "Wasmtime could not make an engine");
  wasmtime_module_t* raw = nullptr;
  const ErrorHandle error(
      wasmtime_module_new(engine.get(), reinterpret_cast<const std::uint8_t*>(module.data()), module.size(), &raw));
  if (error) return fail(ErrorCode::kCompileFailed, reason_of(error.get()));
  const ModuleHandle compiled(raw);
  wasm_byte_vec_t bytes{};
  const ErrorHandle refused(wasmtime_module_serialize(compiled.get(), &bytes));
  if (refused) return fail(ErrorCode::kCompileFailed, reason_of(refused.get()));
  std::string artifact(bytes.data, bytes.size);
  wasm_byte_vec_delete(&bytes);
  return artifact;
}

// Lets one instance after the other decide requests, a new one where the last has failed.
class Counter {
 public:
  Counter(Engine& engine, std::shared_ptr<const Artifact> artifact, const Limits& limits, std::string_view config)
      : engine_(engine), artifact_(std::move(artifact)), limits_(limits), config_(config) {}

  // Whether the next request is to be counted: none after one that had to be stopped.
  Result<bool> count(const Sample& sample);
  [[nodiscard]] const Cost& worst() const noexcept { return worst_; }

 private:
  Engine& engine_;
  const std::shared_ptr<const Artifact> artifact_;
  const Limits limits_;
  const std::string_view config_;
  std::unique_ptr<Instance> instance_;
  Cost worst_;
  std::uint64_t total_ = 0;
};

Result<bool> Counter::count(const Sample& sample) {
  if (!instance_ || !instance_->usable()) {
    auto made = Instance::create(engine_, artifact_, limits_, config_);
    if (!made) return std::unexpected(made.error());
    instance_ = *std::move(made);
  }
  instance_->set_fuel(kMostFuel);
  const auto verdict = instance_->inspect(given_to(*instance_, sample));
  const std::uint64_t fuel = kMostFuel - instance_->fuel();
  // The real code has decided it, or was stopped; here the larger frames of cheap code may also overflow the stack.
  if (fuel > worst_.fuel || worst_.request.empty()) worst_ = {fuel, std::string(sample.name), !verdict};
  total_ += fuel;
  const bool stopped = !verdict && (verdict.error().kind == CallErrorKind::kDeadline || instance_->fuel() == 0);
  if (!stopped && total_ < kMostFuelInAll) return true;
  worst_.at_least = true;
  return false;
}

}  // namespace

// Beside the real compile, on a second core, where that is over soon. A large module's comes after it: for a second or
// more two compiles would leave no core to the traffic.
CountingCompile::CountingCompile(std::string module, Runs runs) : beside_(module.size() < kLarge) {
  const auto when = beside_ ? std::launch::async : std::launch::deferred;
  made_ = std::async(when, [bytes = std::move(module), runs] { return compile_counting(bytes, runs); });
}

Result<Cost> count_cost(std::string_view counting_artifact, std::string_view sha256, const Limits& limits,
                        std::string_view config, const std::function<bool()>& is_configured,
                        const std::atomic<bool>& given_up) {
  auto engine = Engine::create(Fuel::kCounted);
  if (!engine) return std::unexpected(engine.error());
  auto artifact = Artifact::load(**engine, counting_artifact, sha256);
  if (!artifact) return std::unexpected(artifact.error());
  if (!is_configured()) return fail(ErrorCode::kCancelled, "the module has not been configured");
  const Ticker ticker(**engine);
  const Limits ample{kCallBudget, std::max(kConfigureBudget, limits.configure_budget), limits.memory_bytes};
  Counter counter(**engine, *std::move(artifact), ample, config);
  const Samples samples;
  const CostRequests expensive;
  for (const auto* requests : {&samples.all(), &expensive.all()}) {
    for (const Sample& sample : *requests) {
      if (given_up.load(std::memory_order_relaxed)) return counter.worst();
      const auto more = counter.count(sample);
      if (!more) return std::unexpected(more.error());
      if (!*more) return counter.worst();
    }
  }
  return counter.worst();
}

}  // namespace secbeat::engine
