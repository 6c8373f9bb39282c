#include "secbeat/worker/worker.hpp"

#include <time.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "chain.hpp"
#include "counters.hpp"
#include "decider.hpp"
#include "event_ring.hpp"
#include "handover.hpp"
#include "helper_thread.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/engine.hpp"
#include "ticker.hpp"

namespace secbeat::worker {
namespace {

std::chrono::nanoseconds elapsed_of(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::uint64_t unix_ms() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(elapsed_of(CLOCK_REALTIME)).count());
}

class WorkerInProcess final : public Worker {
 public:
  WorkerInProcess(Options options, WakeUp loop_wake, WakeUp helper_wake)
      : options_(std::move(options)), handover_(std::move(loop_wake), std::move(helper_wake)) {}
  ~WorkerInProcess() override { WorkerInProcess::stop(); }

  Result<void> load_and_start();

  [[nodiscard]] int wake_fd() const noexcept override { return handover_.loop_wake.fd(); }
  void on_wake() noexcept override;

  [[nodiscard]] bool needs_body() const noexcept override { return chain_ != nullptr && chain_->needs_body_now(); }
  [[nodiscard]] std::uint64_t max_body_bytes() const noexcept override { return document().max_body_bytes; }
  [[nodiscard]] control::BodyOverLimit body_over_limit() const noexcept override { return document().body_over_limit; }
  [[nodiscard]] bool has_modules() const noexcept override { return chain_ != nullptr && !chain_->links.empty(); }

  [[nodiscard]] bool inspects() noexcept override { return has_modules() && !decider_->passes_by_bypass(*chain_); }

  Decision decide(const engine::RequestView& request) noexcept override {
    return has_modules() ? decider_->decide(*chain_, request) : Decision{};
  }

  Decision decide_unread(const engine::RequestView& head, std::string_view why) noexcept override {
    return has_modules() ? decider_->decide_unread(*chain_, head, why) : Decision{};
  }

  void stop() noexcept override;

 private:
  void log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }
  Result<std::shared_ptr<Counters>> open_counters() const;
  [[nodiscard]] control::InForce read_in_force() const;
  void serve(Chain* chain) noexcept;
  void answer_probe() const noexcept;
  [[nodiscard]] const control::InForce& document() const noexcept {
    return chain_ != nullptr ? chain_->document : nothing_in_force_;
  }

  // Constant after starting. In this order, because each needs those above it to the end.
  const Options options_;
  const control::StatePaths paths_{options_.state_dir};
  const control::InForce nothing_in_force_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<Ticker> ticker_;

  // Shared with the helper thread.
  Handover handover_;
  EventRing events_;
  std::unique_ptr<HelperThread> helper_;

  // Of the event loop.
  std::unique_ptr<Decider> decider_;
  Chain* chain_ = nullptr;  // owned by the helper thread
  std::uint64_t serving_since_unix_ms_ = 0;
};

Result<std::shared_ptr<Counters>> WorkerInProcess::open_counters() const {
  auto counters = Counters::open(paths_.scoreboard(), options_.pid, options_.parent_pid);
  if (counters) return counters;
  log("counts in memory of its own until a scoreboard can be opened: " + counters.error().message);
  return Counters::in_private_memory();
}

// Whatever keeps the document from being read, the worker serves: as a node where nothing is in force.
control::InForce WorkerInProcess::read_in_force() const {
  std::error_code error;
  if (!std::filesystem::exists(paths_.in_force(), error) && !error) {
    log("nothing is in force: there is no " + paths_.in_force().string());
    return {};
  }
  const auto text = read_file(paths_.in_force(), control::kMaxDocumentBytes);
  if (!text) {
    log("nothing is in force until the agent says otherwise: " + text.error().message);
    return {};
  }
  auto document = control::in_force_from_json(*text);
  if (document) return std::move(*document);
  log("nothing is in force until the agent says otherwise: " + paths_.in_force().string() + ": " +
      document.error().message);
  return {};
}

Result<void> WorkerInProcess::load_and_start() {
  auto engine = engine::Engine::create();
  if (!engine) return std::unexpected(engine.error());
  engine_ = std::move(*engine);
  if (auto tested = engine::self_test(*engine_); !tested) return tested;
  auto ticker = Ticker::start(*engine_);
  if (!ticker) return std::unexpected(ticker.error());
  ticker_ = std::move(*ticker);
  auto counters = open_counters();
  if (!counters) return std::unexpected(counters.error());

  BuiltChain built =
      build_chain(LoadContext{*engine_, ticker_->loop_lane(), paths_}, read_in_force(), std::move(*counters), {});
  for (const auto* failures : {&built.failures, &built.failed_fallbacks}) {
    for (const LoadFailure& failure : *failures) {
      log("module " + failure.module + ": version " + failure.label + " could not be loaded: " + failure.error.message);
    }
  }
  decider_ = std::make_unique<Decider>(ticker_->loop_lane(), events_, handover_);
  serve(built.chain.get());
  helper_ = std::make_unique<HelperThread>(LoadContext{*engine_, ticker_->helper_lane(), paths_},
                                           HelperThread::Identity{options_.pid, options_.parent_pid, options_.build},
                                           handover_, events_, std::move(built.chain));
  return helper_->start();
}

void WorkerInProcess::serve(Chain* chain) noexcept {
  const bool other_generation = chain_ == nullptr || chain_->generation != chain->generation;
  chain_ = chain;
  if (other_generation) serving_since_unix_ms_ = unix_ms();
  control::WorkerSlot& slot = chain->counters->slot();
  slot.serving_since_unix_ms.store(serving_since_unix_ms_, std::memory_order_relaxed);
  slot.generation.store(chain->generation, std::memory_order_relaxed);
}

// A drill asks each event loop whether it sees what is written to the scoreboard.
void WorkerInProcess::answer_probe() const noexcept {
  const Counters& counters = *chain_->counters;
  counters.slot().probe_seen.store(counters.layout().break_glass.probe.load(std::memory_order_relaxed),
                                   std::memory_order_relaxed);
}

void WorkerInProcess::on_wake() noexcept {
  const auto begin = elapsed_of(CLOCK_MONOTONIC);
  handover_.loop_wake.clear();
  Chain* next = handover_.next.exchange(nullptr, std::memory_order_acq_rel);
  if (next == nullptr) return answer_probe();
  serve(next);
  fault_point("worker.loop_swapped");
  handover_.pause_ns.store(static_cast<std::uint64_t>((elapsed_of(CLOCK_MONOTONIC) - begin).count()),
                           std::memory_order_relaxed);
  handover_.serving.store(next, std::memory_order_release);
  answer_probe();
}

void WorkerInProcess::stop() noexcept {
  if (helper_) helper_->stop();
  if (ticker_) ticker_->stop();
  chain_ = nullptr;
  handover_.next.store(nullptr, std::memory_order_relaxed);
  helper_.reset();  // and with it the chains and their counters
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(Options options) {
  auto loop_wake = WakeUp::create();
  if (!loop_wake) return std::unexpected(loop_wake.error());
  auto helper_wake = WakeUp::create();
  if (!helper_wake) return std::unexpected(helper_wake.error());
  auto worker = std::make_unique<WorkerInProcess>(std::move(options), std::move(*loop_wake), std::move(*helper_wake));
  if (auto started = worker->load_and_start(); !started) return std::unexpected(started.error());
  return worker;
}

}  // namespace secbeat::worker
