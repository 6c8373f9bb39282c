#include "probe.hpp"

#include <algorithm>
#include <random>
#include <thread>

namespace secbeat::agent {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{5};

std::uint64_t new_number() {
  std::random_device random;
  return (std::uint64_t{random()} << 32U | random()) | 1U;  // 0 is what a new worker has seen
}

}  // namespace

std::vector<ProbedWorker> probe_workers(control::Scoreboard& scoreboard, std::chrono::milliseconds patience) {
  control::ScoreboardLayout& layout = scoreboard.layout();
  layout.break_glass.probe.store(new_number(), std::memory_order_relaxed);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    std::vector<ProbedWorker> workers;
    // Another drill may have written its number over ours.
    const std::uint64_t asked = layout.break_glass.probe.load(std::memory_order_relaxed);
    for (const std::uint32_t slot : scoreboard.live_slots()) {
      const control::WorkerSlot& worker = layout.workers[slot];
      workers.push_back(
          {worker.pid.load(std::memory_order_relaxed), worker.probe_seen.load(std::memory_order_relaxed) == asked});
    }
    if (std::ranges::all_of(workers, &ProbedWorker::answered) || std::chrono::steady_clock::now() >= deadline) {
      return workers;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace secbeat::agent
