#include "secbeat/control/scoreboard.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "process.hpp"

namespace secbeat::control {
namespace {

// A slot whose pid is being claimed holds the claimer's pid negated until its start time is written: nobody may
// compare the new pid with the old start time.
constexpr std::int32_t claiming(std::int32_t pid) { return -pid; }

bool may_be_claimed(const WorkerSlot& slot, std::int32_t pid) noexcept {
  // No process has the last of these, and nobody can negate it.
  if (pid == 0 || pid == std::numeric_limits<std::int32_t>::min()) return true;
  if (pid > 0) return !is_alive(pid, slot.start_ticks.load(std::memory_order_relaxed));
  const auto claimer = stat_of(-pid);
  return !claimer && !is_alive(-pid, 0);
}

bool try_to_claim(WorkerSlot& slot, std::int32_t seen, std::int32_t pid, std::int32_t parent_pid,
                  std::uint64_t start_ticks) noexcept {
  if (!slot.pid.compare_exchange_strong(seen, claiming(pid), std::memory_order_acq_rel)) return false;
  slot.parent_pid.store(static_cast<std::uint32_t>(parent_pid), std::memory_order_relaxed);
  slot.start_ticks.store(start_ticks, std::memory_order_relaxed);
  slot.generation.store(0, std::memory_order_relaxed);
  slot.serving_since_unix_ms.store(0, std::memory_order_relaxed);
  slot.probe_seen.store(0, std::memory_order_relaxed);
  slot.respawns.fetch_add(1, std::memory_order_relaxed);
  slot.pid.store(pid, std::memory_order_release);
  return true;
}

void start_at_zero(Series& series, std::uint64_t version_id) noexcept {
  // Readers skip a free series, so that nobody adds the old version's counts to the new one.
  series.version_id.store(0, std::memory_order_release);
  for (Counter& counter : series.verdicts) counter.store(0, std::memory_order_relaxed);
  for (Counter& counter : series.errors) counter.store(0, std::memory_order_relaxed);
  for (Counter& counter : series.buckets) counter.store(0, std::memory_order_relaxed);
  series.sum_ns.store(0, std::memory_order_relaxed);
  series.version_id.store(version_id, std::memory_order_release);
}

}  // namespace

std::optional<std::uint32_t> Scoreboard::claim(std::int32_t pid, std::int32_t parent_pid) noexcept {
  const auto self = stat_of(pid);
  const std::uint64_t start_ticks = self ? self->start_ticks : 0;
  // Free slots first: the counters of a slot stay those of one worker for as long as there is room.
  for (const bool take_dead : {false, true}) {
    for (std::uint32_t i = 0; i < kMaxWorkers; ++i) {
      WorkerSlot& slot = layout_->workers[i];
      const std::int32_t seen = slot.pid.load(std::memory_order_acquire);
      if (take_dead ? !may_be_claimed(slot, seen) : seen != 0) continue;
      if (try_to_claim(slot, seen, pid, parent_pid, start_ticks)) return i;
    }
  }
  return std::nullopt;
}

void Scoreboard::release(std::uint32_t slot) noexcept {
  layout_->workers[slot].pid.store(0, std::memory_order_release);
}

std::vector<std::uint32_t> Scoreboard::live_slots() const {
  std::vector<std::uint32_t> live;
  for (std::uint32_t i = 0; i < kMaxWorkers; ++i) {
    const WorkerSlot& slot = layout_->workers[i];
    const std::int32_t pid = slot.pid.load(std::memory_order_acquire);
    if (pid > 0 && is_alive(pid, slot.start_ticks.load(std::memory_order_relaxed))) live.push_back(i);
  }
  return live;
}

std::uint64_t Scoreboard::total_requests() const noexcept {
  std::uint64_t total = 0;
  for (const WorkerSlot& slot : layout_->workers) total += slot.requests.load(std::memory_order_relaxed);
  return total;
}

Series* Scoreboard::series_for(WorkerSlot& slot, std::uint64_t version_id,
                               const std::vector<std::uint64_t>& keep) noexcept {
  Series* free = nullptr;
  Series* unwanted = nullptr;
  for (Series& series : slot.series) {
    const std::uint64_t id = series.version_id.load(std::memory_order_relaxed);
    if (id == version_id) return &series;
    if (id == 0) {
      if (free == nullptr) free = &series;
    } else if (unwanted == nullptr && std::find(keep.begin(), keep.end(), id) == keep.end()) {
      unwanted = &series;
    }
  }
  Series* const taken = free != nullptr ? free : unwanted;
  if (taken != nullptr) start_at_zero(*taken, version_id);
  return taken;
}

}  // namespace secbeat::control
