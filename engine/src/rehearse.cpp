#include <fmt/format.h>

#include <ctime>

#include "compile_parts.hpp"
#include "cost_requests.hpp"
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
  const double start = thread_cpu_ms();
  const auto verdict = instance.inspect(given_to(instance, sample));
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
  const auto text = instance.inventory();
  if (!text && text.error().code != ErrorCode::kBadJson) return std::unexpected(text.error());
  if (text && !*text) return {};
  auto inventory = text ? read_inventory(**text) : Result<Inventory>(std::unexpected(text.error()));
  if (inventory) {
    report.inventory = *std::move(inventory);
  } else {
    report.warnings.push_back(
        fmt::format("the module's inventory cannot be used: {}; it counts as without one", inventory.error().message));
  }
  return {};
}

}  // namespace

RequestView given_to(const Instance& instance, const Sample& sample) {
  RequestView request = sample.request;
  if (instance.needs_body() || request.body.empty()) return request;
  request.body = {};
  request.flags |= abi::kBodyNotGiven;
  return request;
}

Result<void> rehearse_samples(Engine& engine, const std::shared_ptr<const Artifact>& artifact, const Limits& limits,
                              std::string_view config, const std::function<void()>& configured, CompileReport& report) {
  const Ticker ticker(engine);
  auto instance = Instance::create(engine, artifact, limits, config);
  if (!instance) return std::unexpected(instance.error());
  configured();
  report.abi = (*instance)->abi();
  report.needs_body = (*instance)->needs_body();
  if (auto taken = take_inventory(**instance, report); !taken) return taken;
  const Samples samples;
  for (const Sample& sample : samples.all()) {
    if (auto decided = decide(**instance, sample, limits); !decided) return decided;
  }
  const CostRequests expensive;
  for (const Sample& sample : expensive.all()) {
    auto decided = decide(**instance, sample, limits);
    if (decided) continue;
    if (decided.error().code != ErrorCode::kSampleTimeout) return decided;
    // Such a request is made to take long. Whether it may is for the node's limits on the cost to say.
    report.warnings.push_back(std::move(decided.error().message));
    instance = Instance::create(engine, artifact, limits, config);
    if (!instance) return std::unexpected(instance.error());
  }
  return {};
}

}  // namespace secbeat::engine
