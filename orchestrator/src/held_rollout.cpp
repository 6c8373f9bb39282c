#include "held_rollout.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;

}  // namespace

HeldRollout::HeldRollout(fleet::Connection& connection, const Timeouts& timeouts, Known<fleet::Rollout> rollout,
                         std::stop_token ending)
    : connection_(connection),
      timeouts_(timeouts),
      ending_(std::move(ending)),
      rollout_(std::move(rollout.value)),
      revision_(rollout.revision),
      saved_(Steady::now()),
      looked_(saved_) {}

bool HeldRollout::save() {
  if (is_lost_) return false;
  ++rollout_.beat;
  while (!is_ending()) {
    const std::string text = to_json(rollout_);
    const auto written = connection_.put_if(fleet::kRolloutsBucket, id(), text, revision_);
    if (written) {
      revision_ = *written;
      saved_ = looked_ = Steady::now();
      return true;
    }
    const auto entry = connection_.get(fleet::kRolloutsBucket, id());
    if (!entry) {
      spdlog::debug("fleet: rollout {} cannot be written: {}", id(), written.error().message);
      if (!sleep(timeouts_.ask)) return false;
      continue;
    }
    if (!*entry) return lose("its document is gone");
    if ((*entry)->value == text) {  // an attempt that timed out was heard after all
      revision_ = (*entry)->revision;
      saved_ = looked_ = Steady::now();
      return true;
    }
    if ((*entry)->revision <= revision_) {
      if (!sleep(timeouts_.ask)) return false;
      continue;
    }
    if (!adopt(**entry)) return false;
  }
  return false;
}

bool HeldRollout::adopt(const fleet::Entry& entry) {
  const auto now = fleet::rollout_from_json(entry.value);
  if (!now) return lose(now.error().message);
  if (now->holder != rollout_.holder) return lose(now->holder + " has gone on with it");
  rollout_.asked = now->asked;
  revision_ = entry.revision;
  return true;
}

bool HeldRollout::keep() {
  if (is_lost_ || is_ending()) return false;
  const auto now = Steady::now();
  if (now - saved_ >= timeouts_.beat) return save();
  if (now - looked_ < timeouts_.look) return true;
  looked_ = now;
  const auto entry = connection_.get(fleet::kRolloutsBucket, id());
  if (!entry) return true;  // NATS is away; the next save says whether this is lost
  if (!*entry) return lose("its document is gone");
  return (*entry)->revision <= revision_ || adopt(**entry);
}

bool HeldRollout::lose(std::string_view why) {
  if (!std::exchange(is_lost_, true)) spdlog::warn("fleet: rollout {} is left to others: {}", id(), why);
  return false;
}

bool HeldRollout::sleep(std::chrono::milliseconds time) const {
  std::mutex mutex;
  std::condition_variable_any ended;
  std::unique_lock lock(mutex);
  return !ended.wait_for(lock, ending_, time, [this] { return is_ending(); });
}

}  // namespace secbeat::orchestrator
