#include "rollout_run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "observation.hpp"
#include "plan.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using fleet::NodeState;
using fleet::RolloutKind;
using fleet::RolloutState;
using Steady = std::chrono::steady_clock;

std::string now_text() { return rfc3339(RealClock().now()); }

std::vector<std::string> names_of(const std::vector<fleet::RolloutNode>& nodes) {
  std::vector<std::string> names;
  for (const fleet::RolloutNode& node : nodes) names.push_back(node.node);
  return names;
}

std::size_t how_many(const fleet::Rollout& rollout, std::initializer_list<NodeState> states) {
  std::size_t number = 0;
  const auto count = [&](const std::vector<fleet::RolloutNode>& nodes) {
    number += static_cast<std::size_t>(std::ranges::count_if(
        nodes, [&](const auto& node) { return std::ranges::find(states, node.state) != states.end(); }));
  };
  for (const fleet::Wave& wave : rollout.waves) count(wave.nodes);
  count(rollout.left_out);
  return number;
}

bool exceeds(const fleet::Rollout& rollout) {
  return rollout.options.max_unavailable &&
         how_many(rollout, {NodeState::kFailed, NodeState::kUnreachable}) > *rollout.options.max_unavailable;
}

Error first_fault(const fleet::Rollout& rollout, ErrorCode code, std::string_view what) {
  for (const auto* nodes : {&rollout.waves.front().nodes, &rollout.left_out}) {
    for (const fleet::RolloutNode& node : *nodes) {
      if (!node.error.empty()) return {code, fmt::format("{}: {}: {}", what, node.node, node.error)};
    }
  }
  return {code, std::string(what)};
}

}  // namespace

void RolloutRun::run() {
  bool may_go_on = true;
  while (may_go_on && !has_ended(rollout().state)) {
    switch (rollout().state) {
      case RolloutState::kStaging:
        may_go_on = stage();
        break;
      case RolloutState::kCommitting:
        may_go_on = commit();
        break;
      case RolloutState::kObserving:
        may_go_on = observe();
        break;
      case RolloutState::kPaused:
        may_go_on = pause();
        break;
      default:
        may_go_on = revert();
        break;
    }
  }
}

Heard RolloutRun::ask(SubjectOf subject, const std::vector<std::string>& nodes, bool (RolloutRun::*check)()) {
  return ask_all(connection_, settings_.timeouts, rollout().order, subject, nodes,
                 [this, check] { return (this->*check)(); });
}

void RolloutRun::note(const Heard& heard, NodeState done) {
  std::map<std::string_view, fleet::RolloutNode*> nodes;
  for (fleet::Wave& wave : rollout().waves) {
    for (fleet::RolloutNode& node : wave.nodes) nodes[node.node] = &node;
  }
  for (const fleet::OrderAnswer& answer : heard.done) {
    fleet::RolloutNode& node = *nodes.at(answer.node);
    node.state = done;
    node.error.clear();
    node.code.clear();
    node.downtime_ms += answer.downtime_ms;
    // A commit that comes again finds the version there: only staging tells who had it before.
    if (done == NodeState::kStaged) node.unchanged = answer.unchanged;
  }
  const auto fault = [&](const NodeFailure& failure, NodeState state) {
    fleet::RolloutNode& node = *nodes.at(failure.node);
    node.state = state;
    node.error = failure.error;
    node.code = failure.code;
  };
  for (const NodeFailure& failure : heard.failed) fault(failure, NodeState::kFailed);
  for (const NodeFailure& failure : heard.unreachable) fault(failure, NodeState::kUnreachable);
}

bool RolloutRun::stage() {
  spdlog::info("fleet: rollout {}: {} {} is staged on {} nodes", held_.id(), rollout().order.module,
               rollout().order.version.label, wave().nodes.size());
  const Heard heard = ask(&fleet::stage_subject, names_of(wave().nodes), &RolloutRun::goes_on_staging);
  if (!heard.is_whole) {
    if (!held_.keep()) return false;
    return end(RolloutState::kAborted, {ErrorCode::kRolloutAborted, "The rollout was aborted before any node swapped"});
  }
  fault_point("rollout.staged");
  note(heard, NodeState::kStaged);
  if (how_many(rollout(), {NodeState::kFailed}) > 0) {
    return end(RolloutState::kFailed, first_fault(rollout(), ErrorCode::kStageFailed, "Nothing was swapped anywhere"));
  }
  if (how_many(rollout(), {NodeState::kStaged}) == 0) {
    return end(RolloutState::kFailed, first_fault(rollout(), ErrorCode::kUnreachable, "Nothing was swapped anywhere"));
  }
  if (exceeds(rollout())) {
    return end(RolloutState::kFailed,
               {ErrorCode::kMaxUnavailable,
                fmt::format("Nothing was swapped anywhere: {} nodes cannot be reached, {} may be",
                            how_many(rollout(), {NodeState::kUnreachable}), *rollout().options.max_unavailable)});
  }
  plan_waves();
  rollout().state = RolloutState::kCommitting;
  if (!held_.save()) return false;
  fault_point("rollout.planned");
  return true;
}

// Who cannot be reached is in no wave.
void RolloutRun::plan_waves() {
  std::vector<fleet::RolloutNode> staged;
  for (fleet::RolloutNode& node : rollout().waves.front().nodes) {
    (node.state == NodeState::kUnreachable ? rollout().left_out : staged).push_back(std::move(node));
  }
  const auto reached = waves_of(rollout().options, staged.size());
  rollout().waves.clear();
  rollout().wave = 0;
  std::size_t from = 0;
  // The options were read when the rollout began.
  for (const std::size_t to : reached.value_or(std::vector<std::size_t>{staged.size()})) {
    fleet::Wave wave;
    for (; from < to; ++from) wave.nodes.push_back(std::move(staged[from]));
    rollout().waves.push_back(std::move(wave));
  }
}

bool RolloutRun::was_asked(RolloutState resumes, bool& result) {
  if (rollout().asked == fleet::Asked::kAbort) {
    result = begin_revert({ErrorCode::kRolloutAborted, "The rollout was aborted"});
    return true;
  }
  if (rollout().asked != fleet::Asked::kPause || rollout().kind == RolloutKind::kRollback) return false;
  rollout().state = RolloutState::kPaused;
  rollout().resumes = resumes;
  result = held_.save();
  return true;
}

bool RolloutRun::commit() {
  bool result = false;
  if (!held_.keep()) return false;
  if (was_asked(RolloutState::kCommitting, result)) return result;
  if (rollout().wave == rollout().waves.size()) return desire();
  if (!begin_wave()) return false;
  fault_point("rollout.wave_begun");
  std::vector<std::string> nodes;
  for (const fleet::RolloutNode& node : wave().nodes) {
    if (node.state != NodeState::kCommitted) nodes.push_back(node.node);
  }
  const Heard heard = ask(&fleet::commit_subject, nodes, &RolloutRun::goes_on);
  fault_point("rollout.wave_committed");
  note(heard, NodeState::kCommitted);
  for (const fleet::OrderAnswer& answer : heard.done) {
    spdlog::info("{}: Reloaded {} ({}ms downtime)", answer.node, rollout().order.module, answer.downtime_ms);
  }
  return heard.is_whole && after_commit();
}

bool RolloutRun::begin_wave() {
  if (!wave().begun_at.empty()) return true;
  if (rollout().wave == 0) {
    if (connection_.publish(fleet::kReloadEvent, to_json(rollout().order))) {
      spdlog::info("NATS: {}", fleet::kReloadEvent);
    }
  }
  if (rollout().kind == RolloutKind::kReload) note_baselines();
  wave().begun_at = now_text();
  return held_.save();
}

void RolloutRun::note_baselines() {
  const auto reports = read_nodes(connection_);
  if (!reports) return;  // judged without
  for (fleet::RolloutNode& node : wave().nodes) {
    const auto report = std::ranges::find(*reports, node.node, [](const auto& known) { return known.value.node; });
    if (report == reports->end()) continue;
    if (const fleet::ModuleStatus* status = report->value.find(rollout().order.module)) node.baseline = status->counts;
  }
}

bool RolloutRun::after_commit() {
  const auto in_wave = [&](NodeState state) {
    return std::ranges::count(wave().nodes, state, &fleet::RolloutNode::state);
  };
  wave().ended_at = now_text();
  const bool is_rollback = rollout().kind == RolloutKind::kRollback;
  if (in_wave(NodeState::kCommitted) == 0 && is_rollback) {
    return end(RolloutState::kFailed, first_fault(rollout(), ErrorCode::kUnreachable, "No node has gone back"));
  }
  if (is_rollback) return next_wave();
  const auto fault = std::ranges::find_if(wave().nodes, [](const auto& node) { return !node.error.empty(); });
  if (in_wave(NodeState::kFailed) > 0 || in_wave(NodeState::kCommitted) == 0 || exceeds(rollout())) {
    return begin_revert(
        {ErrorCode::kRolloutReverted,
         fmt::format("Wave {} did not swap: {}", rollout().wave + 1,
                     fault == wave().nodes.end() ? "too many nodes are away" : fault->node + ": " + fault->error)});
  }
  const bool is_last = rollout().wave + 1 == rollout().waves.size();
  if (rollout().options.observe_seconds == 0 || (is_last && !rollout().options.observes_last)) return next_wave();
  rollout().state = RolloutState::kObserving;
  return held_.save();
}

bool RolloutRun::next_wave() {
  ++rollout().wave;
  rollout().state = RolloutState::kCommitting;
  return held_.save();
}

bool RolloutRun::observe() {
  spdlog::info("fleet: rollout {}: wave {} of {} is observed for {} s", held_.id(), rollout().wave + 1,
               rollout().waves.size(), rollout().options.observe_seconds);
  fault_point("rollout.observing");
  Observation observation(rollout(), settings_, Steady::now());
  for (;;) {
    bool result = false;
    if (!held_.keep()) return false;
    if (was_asked(RolloutState::kObserving, result)) return result;
    const auto asked = Steady::now();
    if (const auto reports = read_nodes(connection_)) {
      if (const auto hurts = observation.look(*reports, asked, Steady::now())) {
        return begin_revert(
            {ErrorCode::kRolloutReverted, fmt::format("Wave {} was taken back: {}", rollout().wave + 1, *hurts)});
      }
      if (observation.is_over()) {
        fault_point("rollout.observed");
        return next_wave();
      }
    }
    if (!held_.sleep(settings_.timeouts.look)) return false;
  }
}

bool RolloutRun::pause() {
  spdlog::info("fleet: rollout {} is paused", held_.id());
  fault_point("rollout.paused");
  while (rollout().asked == fleet::Asked::kPause) {
    if (!held_.keep() || !held_.sleep(settings_.timeouts.ask)) return false;
  }
  if (rollout().asked == fleet::Asked::kAbort) {
    return begin_revert({ErrorCode::kRolloutAborted, "The rollout was aborted"});
  }
  spdlog::info("fleet: rollout {} is resumed", held_.id());
  fault_point("rollout.resumed");
  rollout().state = rollout().resumes;
  return held_.save();
}

}  // namespace secbeat::orchestrator
