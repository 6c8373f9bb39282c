#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "compile_parts.hpp"
#include "samples.hpp"
#include "ticker.hpp"

namespace secbeat::engine {
namespace {

double thread_cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

Error sample_error(const Sample& sample, const CallError& error, const Limits& limits, double measured_ms) {
  switch (error.kind) {
    case CallErrorKind::kBadVerdict:
      // "inspect_request returned 7, expected 0 to 3"
      return {ErrorCode::kInvalidAction, fmt::format("Invalid action: {} for the sample request {}, expected 0 to 3",
                                                     error.message.substr(0, error.message.find(',')), sample.name)};
    case CallErrorKind::kDeadline:
      return {ErrorCode::kSampleTimeout, fmt::format("The sample request {} was stopped after {:.1f} ms of CPU time, "
                                                     "the limit is {} ms",
                                                     sample.name, measured_ms, limits.call_budget.count())};
    case CallErrorKind::kMemory:
      return {ErrorCode::kMemoryLimit, fmt::format("The sample request {} needs more than the limit of {} bytes of "
                                                   "memory: {}",
                                                   sample.name, limits.memory_bytes, error.message)};
    case CallErrorKind::kTrap:
      break;
  }
  return {ErrorCode::kSampleTrapped, fmt::format("The sample request {} trapped: {}", sample.name, error.message)};
}

Result<void> decide(Instance& instance, const Sample& sample, const Limits& limits) {
  RequestView request = sample.request;
  if (!instance.needs_body() && !request.body.empty()) {
    request.body = {};
    request.flags |= abi::kBodyNotGiven;
  }
  const double start = thread_cpu_ms();
  const auto verdict = instance.inspect(request);
  if (!verdict) return std::unexpected(sample_error(sample, verdict.error(), limits, thread_cpu_ms() - start));
  // In service the detail is asked for after a verdict that is recorded; a module whose detail traps is no good.
  instance.verdict_detail();
  if (!instance.usable()) {
    return fail(ErrorCode::kSampleTrapped,
                fmt::format("verdict_detail failed after the sample request {}", sample.name));
  }
  return {};
}

Result<void> take_inventory(Instance& instance, CompileReport& report) {
  auto inventory = instance.inventory();
  if (!inventory) return std::unexpected(inventory.error());
  if (inventory->empty()) return {};
  const auto parsed = nlohmann::json::parse(*inventory, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_array()) {
    report.inventory = std::move(*inventory);
  } else {
    report.warnings.emplace_back("inventory() gave no JSON array of at most 1 MiB; the module counts as without one");
  }
  return {};
}

}  // namespace

Result<void> rehearse_samples(Engine& engine, std::shared_ptr<const Artifact> artifact, const Limits& limits,
                              std::string_view config, CompileReport& report) {
  const Ticker ticker(engine);
  auto instance = Instance::create(engine, std::move(artifact), limits, config);
  if (!instance) return std::unexpected(instance.error());
  report.abi = (*instance)->abi();
  report.needs_body = (*instance)->needs_body();
  if (auto taken = take_inventory(**instance, report); !taken) return taken;
  const Samples samples;
  for (const Sample& sample : samples.all()) {
    if (auto decided = decide(**instance, sample, limits); !decided) return decided;
  }
  return {};
}

}  // namespace secbeat::engine
