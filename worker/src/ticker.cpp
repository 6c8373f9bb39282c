#include "ticker.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "secbeat/base/scheduling.hpp"
#include "thread.hpp"

namespace secbeat::worker {
namespace {

constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 1'000'000};  // the resolution of the CPU budget
constexpr int kIdleTicks = 50;                                // without a call, until the thread sleeps

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace

// The store and the load are both sequentially consistent, as their counterparts in sleep_unless_changed():
// either this thread sees the flag, or the ticker sees the step. One of them always does.
void Ticker::Lane::enter() noexcept {
  steps_.store(steps_.load(std::memory_order_relaxed) + 1);
  if (ticker_.asleep_.load() != 0) ticker_.wake();
}

void Ticker::Lane::leave() noexcept {
  steps_.store(steps_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

Result<std::unique_ptr<Ticker>> Ticker::start(engine::Engine& engine) {
  std::unique_ptr<Ticker> ticker(new Ticker(engine));
  auto thread = start_thread("secbeat-ticker", [raw = ticker.get()] { raw->run(); });
  if (!thread) return std::unexpected(thread.error());
  ticker->thread_ = std::move(*thread);
  return ticker;
}

Ticker::~Ticker() { stop(); }

void Ticker::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  wake();
  thread_.join();
}

void Ticker::wake() noexcept {
  asleep_.store(0);
  futex_wake(asleep_);
}

Ticker::Sight Ticker::look() const noexcept { return {loop_lane_.steps_.load(), helper_lane_.steps_.load()}; }

void Ticker::run() noexcept {
  wake_on_time();  // a tick that is late prolongs what it should end
  Sight seen = look();
  int idle_ticks = 0;
  while (!stopping_.load()) {
    ::nanosleep(&kTick, nullptr);
    engine_.tick();
    const Sight now = look();
    const bool idle = now == seen && !now.running();
    seen = now;
    idle_ticks = idle ? idle_ticks + 1 : 0;
    if (idle_ticks < kIdleTicks) continue;
    sleep_unless_changed(seen);
    idle_ticks = 0;
  }
}

void Ticker::sleep_unless_changed(const Sight& seen) noexcept {
  asleep_.store(1);
  if (look() == seen && !stopping_.load()) {
    while (asleep_.load() != 0) futex_wait(asleep_, 1);
  }
  asleep_.store(0);
}

}  // namespace secbeat::worker
