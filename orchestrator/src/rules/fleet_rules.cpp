#include "secbeat/orchestrator/fleet_rules.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

#include "entered_rules.hpp"
#include "fleet_rules_impl.hpp"
#include "rule_counts.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::size_t kMostWaiting = 256;
constexpr std::size_t kMostMessages = kMostWaiting / 2;  // of them; the rest is for the API
constexpr std::size_t kMostTogether = 64;
constexpr std::chrono::seconds kLookEvery{1};  // for rules that have ended
// How often an edit is made again on what somebody else brought into force meanwhile.
constexpr int kAttempts = 4;

std::string what_it_does(const FleetRuleEdit& edit, const std::string& id) {
  switch (edit.kind) {
    case FleetRuleEdit::Kind::kEnter:
      return fmt::format("Rule entered, not deployed: {}", id);
    case FleetRuleEdit::Kind::kRemove:
      return fmt::format("Rule removed: {}", id);
    default:
      return fmt::format("Rule added: {}", id);
  }
}

// Else it came through perhaps, or hurts, or was ended on purpose: made again alone, each would be answered by what
// this very call has done, or would hurt once more.
bool may_be_the_fault_of_one(const FleetFailure& failure) {
  using enum ErrorCode;
  const ErrorCode code = failure.error.code;
  return failure.in == FailedIn::kNothingSwapped &&
         (code == kStageFailed || code == kConfigureFailed || code == kTooLarge);
}

FleetRuleOutcome not_any_more() { return refused({ErrorCode::kShuttingDown, "The orchestrator ends; ask again"}); }

}  // namespace

FleetRules::Impl::Impl(Parts parts)
    : parts_(std::move(parts)),
      desired_(parts_.connection, parts_.rollouts, parts_.shipped),
      arrivals_(parts_.limits.max_new_per_minute),
      ended_(parts_.connection, [this] { return counts(); }) {}

void FleetRules::Impl::start() {
  {
    const std::scoped_lock lock(mutex_);
    is_open_ = true;
  }
  thread_ = std::jthread([this](const std::stop_token& ending) {
    ending_ = ending;
    run(ending);
  });
}

void FleetRules::Impl::stop() {
  {
    const std::scoped_lock lock(mutex_);
    is_open_ = false;
  }
  thread_ = {};
  std::deque<std::unique_ptr<Waiting>> left;
  {
    const std::scoped_lock lock(mutex_);
    left.swap(waiting_);
  }
  for (const auto& waiting : left) answer(*waiting, not_any_more());
}

// Whatever the one who waits makes of it, the others are answered.
void FleetRules::Impl::answer(const Waiting& waiting, const FleetRuleOutcome& outcome) {
  try {
    waiting.done(outcome);
  } catch (const std::exception& error) {
    spdlog::error("fleet: rules: an answer is lost: {}", error.what());
  }
}

bool FleetRules::Impl::submit(FleetRuleEdit edit, Done done) {
  auto waiting = std::make_unique<Waiting>(Waiting{.edit = std::move(edit), .done = std::move(done)});
  std::unique_lock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return false;
  if (waiting->edit.is_message) {  // a flood ends here, and holds up nobody
    const auto is_message = [](const auto& one) { return one->edit.is_message; };
    if (static_cast<std::size_t>(std::ranges::count_if(waiting_, is_message)) >= kMostMessages) return false;
    if (const std::uint32_t wait = arrivals_.wait(parts_.clock.steady()); wait > 0) {
      lock.unlock();
      waiting->done(too_many_come(wait));
      return true;
    }
  }
  if (!is_open_) {
    lock.unlock();
    waiting->done(not_any_more());
    return true;
  }
  waiting_.push_back(std::move(waiting));
  changed_.notify_all();
  return true;
}

void FleetRules::Impl::run(const std::stop_token& ending) {
  while (!ending.stop_requested()) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, ending, kLookEvery, [this] { return !waiting_.empty(); });
      if (ending.stop_requested()) return;
      if (!waiting_.empty()) batch = next_batch();
    }
    try {
      work(batch);
      if (batch.empty()) look_for_ended();
    } catch (const std::exception& error) {  // nobody may wait for ever
      spdlog::error("fleet: rules: {}", error.what());
    }
    for (const auto& waiting : batch) {
      answer(*waiting, waiting->outcome.value_or(
                           refused({ErrorCode::kInternal, "The rule could not be worked on: see the log"})));
    }
  }
}

// REQUIRES: mutex_ is held, and somebody waits. Those of one caller go together, so that the history names who did it.
FleetRules::Impl::Batch FleetRules::Impl::next_batch() {
  Batch batch;
  const std::string by = waiting_.front()->edit.by;
  for (auto at = waiting_.begin(); at != waiting_.end() && batch.size() < kMostTogether;) {
    if ((*at)->edit.by != by) {
      ++at;
      continue;
    }
    batch.push_back(std::move(*at));
    at = waiting_.erase(at);
  }
  return batch;
}

void FleetRules::Impl::look_for_ended() {
  const auto rules = desired_.read();
  if (rules) ended_.look(rules->config_sha256, rules->document, parts_.clock.now());
}

void FleetRules::Impl::work(const Batch& batch) {
  if (batch.empty()) return;
  Some some;
  for (const auto& waiting : batch) some.push_back(waiting.get());
  work_once(some);
  if (some.size() == 1) return;
  for (Waiting* waiting : some) {
    if (!waiting->outcome) work_once({waiting});
  }
}

FleetRules::Impl::Some FleetRules::Impl::apply_all(const Some& some, Base& base) {
  Some done;
  for (Waiting* waiting : some) {
    if (!waiting->outcome && apply(*waiting, base)) done.push_back(waiting);
  }
  return done;
}

// Leaves those of a larger batch without an outcome where each is to go alone.
void FleetRules::Impl::work_once(const Some& some) {
  for (int attempt = 1;; ++attempt) {
    const auto before = base();
    if (!before) {
      for (Waiting* waiting : some) {
        if (!waiting->outcome) waiting->outcome = refused(before.error());
      }
      return;
    }
    Base edited = *before;
    const Some done = apply_all(some, edited);
    if (done.empty()) return;
    look_for_ended();  // they leave with this edit
    const auto result = bring_into_force(done, *before, edited);
    const bool is_overtaken = !result && result.error().error.code == ErrorCode::kVersionConflict;
    if (is_overtaken && result.error().nodes.empty() && attempt < kAttempts && !is_stopping()) continue;
    if (!result && done.size() > 1 && may_be_the_fault_of_one(result.error()) && !is_stopping()) return;
    finish(done, *before, edited, result);
    return;
  }
}

FleetRuleChange FleetRules::Impl::change_of(const Waiting& waiting, const Base& edited) const {
  const FleetRuleEdit& edit = waiting.edit;
  FleetRuleChange change;
  change.id = edit.id.empty() ? agent::id_of_rule(edit.rule) : edit.id;
  change.message = what_it_does(edit, change.id);
  change.rules = edited.rules.document.size();
  change.dropped = edited.dropped;
  change.took = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.clock.steady() - edit.received);
  change.etag = agent::etag_of(edited.rules.document.text());
  const agent::RuleJson* rule = edited.rules.document.find(change.id);
  if (rule == nullptr) return change;
  change.etag = agent::etag_of_rule(*rule);
  if (const auto end = agent::end_of_rule(*rule)) change.expires_at = rfc3339(*end);
  return change;
}

void FleetRules::Impl::finish(const Some& done, const Base& before, const Base& edited,
                              const std::expected<FleetResult, FleetFailure>& result) {
  for (Waiting* waiting : done) {
    if (!result) {
      constexpr std::uint32_t kNextTry = 5;
      const bool is_late = result.error().error.code == ErrorCode::kReloadInProgress;
      waiting->outcome = std::unexpected(FleetRuleFailure{result.error(), is_late ? kNextTry : 0});
      continue;
    }
    FleetRuleChange change = change_of(*waiting, edited);
    change.result = *result;
    change.changes = done.size();
    if (before.entered.find(change.id) != nullptr) {
      if (const auto gone = forget_entered(parts_.connection, change.id); !gone) {
        spdlog::warn("fleet: rule {} is in force, and waits beside the document still: {}", change.id,
                     gone.error().message);
      }
    }
    waiting->outcome = std::move(change);
  }
}

Result<FleetRulesNow> FleetRules::Impl::in_force() {
  auto now = base();
  if (!now) return std::unexpected(now.error());
  return FleetRulesNow{.document = std::move(now->rules.document),
                       .etag = std::move(now->rules.etag),
                       .version = std::move(now->rules.version),
                       .ended = now->dropped.size(),
                       .entered = std::move(now->entered)};
}

Result<CountedRules> FleetRules::Impl::counts() const {
  const auto nodes = parts_.rollouts.nodes();
  if (!nodes) return std::unexpected(nodes.error());
  std::vector<std::string> names;
  for (const fleet::NodeStatus& node : *nodes) names.push_back(node.node);
  return ask_rule_counts(parts_.connection, names);
}

FleetRules::FleetRules(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
FleetRules::~FleetRules() = default;
const RuleLimits& FleetRules::limits() const { return impl_->limits(); }
Result<void> FleetRules::prepare(int replicas) const {
  return impl_->connection().make_bucket({.name = fleet::kRulesBucket, .replicas = replicas});
}
void FleetRules::start() { impl_->start(); }
void FleetRules::stop() { impl_->stop(); }
Result<FleetRulesNow> FleetRules::in_force() const { return impl_->in_force(); }
Result<CountedRules> FleetRules::counts() const { return impl_->counts(); }
bool FleetRules::submit(FleetRuleEdit edit, Done done) { return impl_->submit(std::move(edit), std::move(done)); }

FleetRuleOutcome FleetRules::change(FleetRuleEdit edit) {
  std::promise<FleetRuleOutcome> promise;
  auto outcome = promise.get_future();
  if (!impl_->submit(std::move(edit), [&](const FleetRuleOutcome& done) { promise.set_value(done); })) {
    return refused({ErrorCode::kBusy, "Too many changes of rules wait already; try again"}, 1);
  }
  return outcome.get();
}

}  // namespace secbeat::orchestrator
