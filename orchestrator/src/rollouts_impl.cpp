#include "rollouts_impl.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "held_rollout.hpp"
#include "rollout_run.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kKept = 50;              // rollouts that have ended
constexpr std::size_t kKeptUnarchived = 1000;  // of them, where the archive lacks them
constexpr std::chrono::seconds kUnread{60};    // how long a rollout's end may be hidden by a NATS that is away
constexpr int kUnclaimedLeases = 4;            // for so long a document may lie that nobody has made a rollout of

}  // namespace

Rollouts::Impl::Impl(fleet::Connection& connection, Settings settings)
    : connection_(connection),
      settings_(std::move(settings)),
      holder_(new_id(settings_.name.empty() ? "orchestrator" : settings_.name)) {}

Rollouts::Impl::~Impl() {
  looking_ = {};
  std::map<std::string, std::unique_ptr<Work>, std::less<>> work;
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
    work.swap(work_);
  }
  for (auto& [id, one] : work) one->thread.request_stop();
  for (auto& [id, one] : work) one->thread.join();
}

std::vector<fleet::Wave> Rollouts::Impl::one_wave(const std::vector<fleet::NodeStatus>& nodes) {
  fleet::Wave wave;
  for (const fleet::NodeStatus& node : nodes) wave.nodes.push_back({.node = node.node});
  return {wave};
}

FleetFailure Rollouts::Impl::busy(const fleet::Rollout& other) {
  return {.error = {ErrorCode::kReloadInProgress,
                    fmt::format("Rollout {} of {} is {}: one runs at a time", other.order.rollout, other.order.module,
                                word_of(other.state))},
          .rollout = other.order.rollout};
}

FleetFailure Rollouts::Impl::goes_on(std::string_view id) {
  return {.error = {ErrorCode::kNotReady,
                    fmt::format("Nobody can say at this moment what comes of rollout {}: look at it when the "
                                "orchestrator and NATS are there",
                                id)},
          .in = FailedIn::kUnknown,
          .rollout = std::string(id)};
}

// What was written may be in force though nobody heard of it, and an orchestrator would carry it out then.
std::optional<bool> Rollouts::Impl::is_claimed(std::string_view module, const fleet::Running& claim) const {
  const auto until = Steady::now() + fleet::kStall;
  for (;;) {
    if (const auto now = read_running(connection_, module)) return now->value == claim;
    if (is_left_ || connection_.has_ended() || Steady::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(settings_.timeouts.ask);
  }
}

void Rollouts::Impl::let_go() {
  const std::scoped_lock lock(mutex_);
  is_left_ = true;
  over_.notify_all();
}

bool Rollouts::Impl::works_on(std::string_view id) {
  const std::scoped_lock lock(mutex_);
  return works_on_locked(id);
}

bool Rollouts::Impl::works_on_locked(std::string_view id) const {
  const auto found = work_.find(id);
  return found != work_.end() && !found->second->is_over;
}

void Rollouts::Impl::run(Known<fleet::Rollout> rollout) {
  std::vector<std::unique_ptr<Work>> over;  // joined without the lock: they may be waiting for NATS
  const std::scoped_lock lock(mutex_);
  if (is_ending_) return;
  for (auto& [id, one] : work_) {
    if (one->is_over) over.push_back(std::move(one));
  }
  std::erase_if(work_, [](const auto& one) { return one.second == nullptr; });
  const std::string id = rollout.value.order.rollout;
  auto& work = work_[id];
  work = std::make_unique<Work>();
  work->thread = std::jthread([this, rollout = std::move(rollout)](const std::stop_token& ending) mutable {
    this->work(ending, std::move(rollout));
  });
}

void Rollouts::Impl::work(const std::stop_token& ending, Known<fleet::Rollout> rollout) {
  const std::string id = rollout.value.order.rollout;
  HeldRollout held(connection_, settings_.timeouts, std::move(rollout), ending);
  try {
    RolloutRun(connection_, settings_, held).run();
  } catch (const std::exception& error) {  // another one goes on with it, or this one
    spdlog::error("fleet: rollout {}: {}", id, error.what());
  }
  const bool has_ended_here = has_ended(held.document().state) && !held.is_lost() && !held.is_ending();
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = work_.find(id); found != work_.end()) {
      found->second->is_over = true;
      if (has_ended_here) found->second->ended = held.document();
    }
    over_.notify_all();
  }
  if (has_ended_here) forget_old();
}

std::optional<fleet::Rollout> Rollouts::Impl::wait_here(std::string_view id, Steady::time_point deadline) {
  std::unique_lock lock(mutex_);
  over_.wait_until(lock, deadline, [&] { return is_left_ || !works_on_locked(id); });
  const auto found = work_.find(id);
  return found == work_.end() ? std::nullopt : found->second->ended;
}

Result<std::optional<fleet::Rollout>> Rollouts::Impl::wait(std::string_view id, std::chrono::milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  for (;;) {
    if (auto ended = wait_here(id, deadline)) return ended;
    if (is_left_) return std::nullopt;
    auto rollout = read_rollout(connection_, id);
    if (rollout && has_ended(rollout->value.state)) return std::move(rollout->value);
    if (!rollout && rollout.error().code == ErrorCode::kUnknownRollout) return std::unexpected(rollout.error());
    if (Steady::now() >= deadline) {
      return rollout ? Result<std::optional<fleet::Rollout>>(std::nullopt) : std::unexpected(rollout.error());
    }
    std::this_thread::sleep_for(settings_.timeouts.ask);
  }
}

std::expected<FleetResult, FleetFailure> Rollouts::Impl::outcome(std::string_view id) {
  while (!is_left_) {
    const auto ended = wait(id, kUnread);
    if (!ended) {
      return std::unexpected(
          FleetFailure{.error = ended.error(), .in = FailedIn::kUnknown, .rollout = std::string(id)});
    }
    if (*ended) return outcome_of(**ended);
  }
  return std::unexpected(goes_on(id));
}

Result<fleet::Rollout> Rollouts::Impl::ask(std::string_view id, fleet::Asked what) {
  for (;;) {
    auto rollout = read_rollout(connection_, id);
    if (!rollout) return std::unexpected(rollout.error());
    fleet::Rollout& now = rollout->value;
    const auto refuse = [&](std::string_view why) {
      return fail(ErrorCode::kRolloutEnded, fmt::format("Rollout {} is {}{}", id, word_of(now.state), why));
    };
    if (has_ended(now.state)) return refuse("");
    if (what == fleet::Asked::kPause && now.kind == fleet::RolloutKind::kRollback) {
      return refuse(": nothing pauses a rollback");
    }
    if (now.state == fleet::RolloutState::kReverting || (now.asked == fleet::Asked::kAbort && now.asked != what)) {
      return refuse(", and is taken back");
    }
    if (what == fleet::Asked::kNothing && now.asked != fleet::Asked::kPause) return refuse(", and is not paused");
    now.asked = what;
    const auto written = connection_.put_if(fleet::kRolloutsBucket, id, to_json(now), rollout->revision);
    if (written) return std::move(now);
    if (written.error().code != ErrorCode::kPreconditionFailed) return std::unexpected(written.error());
  }
}

void Rollouts::Impl::take_over() {
  const std::scoped_lock lock(mutex_);
  if (looking_.joinable()) return;
  looking_ = std::jthread([this](const std::stop_token& ending) {
    std::mutex mutex;
    std::condition_variable_any ended;
    std::unique_lock waiting(mutex);
    while (!ending.stop_requested()) {
      look_for_others();
      ended.wait_for(waiting, ending, settings_.timeouts.beat, [] { return false; });
    }
  });
}

void Rollouts::Impl::look_for_others() {
  const auto running = read_all_running(connection_);
  if (!running) return;
  for (const auto& [module, one] : *running) {
    if (const auto ended = ended_.find(one.rollout); ended != ended_.end() && ended->second == one.revision) continue;
    if (!works_on(one.rollout)) look_at(one);
  }
}

// By this machine's clock alone: a rollout that did not change for so long has nobody who works on it.
void Rollouts::Impl::look_at(const fleet::Running& running) {
  const std::string& id = running.rollout;
  auto rollout = read_rollout(connection_, id);
  const bool is_gone = !rollout && rollout.error().code == ErrorCode::kUnknownRollout;
  if (is_gone || (rollout && has_ended(rollout->value.state))) ended_[id] = running.revision;
  if (!rollout || has_ended(rollout->value.state)) {
    others_.erase(id);
    return;
  }
  Other& other = others_[id];
  if (other.revision != rollout->revision) {
    other = {rollout->revision, Steady::now()};
    return;
  }
  if (Steady::now() - other.since < settings_.timeouts.lease) return;
  spdlog::warn("fleet: {} has left rollout {} while it was {}: gone on with here", rollout->value.holder, id,
               word_of(rollout->value.state));
  rollout->value.holder = holder_;
  ++rollout->value.beat;
  const auto written = connection_.put_if(fleet::kRolloutsBucket, id, to_json(rollout->value), rollout->revision);
  others_.erase(id);
  if (written) run({std::move(rollout->value), *written});
}

void Rollouts::Impl::forget_old() {
  auto entries = connection_.list(fleet::kRolloutsBucket);
  const auto running = read_all_running(connection_);
  if (!entries || !running) return;  // the next one does it
  const std::scoped_lock lock(forgetting_);
  std::map<std::string, Other, std::less<>> unclaimed;
  std::erase_if(*entries, [&](const fleet::Entry& entry) {
    const auto rollout = fleet::rollout_from_json(entry.value);
    if (!rollout || has_ended(rollout->state)) return false;
    // One that its orchestrator wrote, and ended before it had claimed the module, never comes to an end.
    const auto claim = running->find(rollout->order.module);
    if (claim == running->end() || claim->second.rollout == entry.key) return true;
    const auto seen = unclaimed_.find(entry.key);
    const bool is_same = seen != unclaimed_.end() && seen->second.revision == entry.revision;
    const Other now = is_same ? seen->second : Other{entry.revision, Steady::now()};
    if (Steady::now() - now.since < kUnclaimedLeases * settings_.timeouts.lease) {
      unclaimed.emplace(entry.key, now);
    } else {
      (void)connection_.remove(fleet::kRolloutsBucket, entry.key);
    }
    return true;
  });
  unclaimed_ = std::move(unclaimed);
  std::ranges::sort(*entries, std::greater(), &fleet::Entry::revision);
  const auto is_awaited = [this](const fleet::Entry& entry) {
    if (!settings_.is_archived) return false;
    const auto rollout = fleet::rollout_from_json(entry.value);
    return rollout && !settings_.is_archived(*rollout);
  };
  for (std::size_t i = kKept; i < entries->size(); ++i) {
    if (i < kKeptUnarchived && is_awaited((*entries)[i])) continue;
    (void)connection_.remove(fleet::kRolloutsBucket, (*entries)[i].key);  // the next one tries again
  }
}

}  // namespace secbeat::orchestrator
