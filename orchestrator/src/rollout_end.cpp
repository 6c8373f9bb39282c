// How a rollout ends: the version becomes the desired one, or what was reached is taken back.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "plan.hpp"
#include "rollout_run.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {

using fleet::NodeState;
using fleet::RolloutState;

bool RolloutRun::begin_revert(Error why) {
  spdlog::warn("fleet: rollout {} is halted: {}", held_.id(), why.message);
  rollout().state = RolloutState::kReverting;
  rollout().error = std::move(why.message);
  rollout().code = word_of(why.code);
  return held_.save();
}

// Every node of a wave that has begun: also who failed or was silent may have swapped.
bool RolloutRun::revert() {
  std::vector<std::string> names;
  for (const fleet::Wave& wave : rollout().waves) {
    if (wave.begun_at.empty()) continue;
    for (const fleet::RolloutNode& node : wave.nodes) {
      // Who served the version before stays.
      if (node.state != NodeState::kReverted && !node.unchanged) names.push_back(node.node);
    }
  }
  fault_point("rollout.reverting");
  const Heard heard = ask(&fleet::revert_subject, names, &RolloutRun::goes_on);
  if (!heard.is_whole) return false;
  fault_point("rollout.nodes_taken_back");
  note_reverted(heard);
  if (!take_back_desire()) return false;
  fault_point("rollout.desire_taken_back");
  const bool is_aborted = code_of(rollout().code) == ErrorCode::kRolloutAborted;
  return end(is_aborted ? RolloutState::kAborted : RolloutState::kReverted);
}

void RolloutRun::note_reverted(const Heard& heard) {
  const auto with_node = [&](std::string_view name, auto change) {
    for (fleet::Wave& wave : rollout().waves) {
      for (fleet::RolloutNode& node : wave.nodes) {
        if (node.node == name) change(node);
      }
    }
  };
  for (const fleet::OrderAnswer& answer : heard.done) {
    with_node(answer.node, [&](fleet::RolloutNode& node) {
      // Who never swapped keeps what it said.
      if (node.state != NodeState::kCommitted && answer.unchanged) {
        if (node.state == NodeState::kUnreachable) node.state = NodeState::kReverted;
        return;
      }
      node.state = NodeState::kReverted;
      node.downtime_ms += answer.downtime_ms;
      spdlog::info("fleet: rollout {}: {} is back", held_.id(), answer.node);
    });
  }
  for (const auto* list : {&heard.failed, &heard.unreachable}) {
    for (const NodeFailure& failure : *list) {
      with_node(failure.node, [&](fleet::RolloutNode& node) {
        if (node.state == NodeState::kFailed) return;
        // It serves the version still, or may do so.
        node.state = node.state == NodeState::kCommitted ? NodeState::kCommitted : NodeState::kUnreachable;
        node.error = fmt::format("could not be taken back: {}", failure.error);
        node.code = failure.code;
        spdlog::error("fleet: rollout {}: {} {}", held_.id(), failure.node, node.error);
      });
    }
  }
}

// Who was not taken back comes back by itself: what is desired becomes newer than what it was told to commit. A version
// that had become the desired one is so no more.
bool RolloutRun::take_back_desire() {
  bool is_partly = false;
  for (const fleet::Wave& wave : rollout().waves) {
    if (wave.begun_at.empty()) continue;
    is_partly |= std::ranges::any_of(wave.nodes, [](const auto& node) {
      return (node.state == NodeState::kCommitted && !node.unchanged) || node.state == NodeState::kUnreachable;
    });
  }
  const fleet::Order& order = rollout().order;
  while (rollout().options.target == kAll) {
    if (auto known = read_desired(connection_)) {
      const fleet::DesiredModule* module = known->value.find(order.module);
      if (module == nullptr) return true;
      const bool was_desired = module->revision == order.revision && module->version == order.version;
      if (!was_desired && (!is_partly || module->revision > order.revision)) return true;
      const fleet::Desired desired =
          was_desired ? without(known->value, order) : anew(known->value, order.module, order.revision + 1);
      if (connection_.put_if(fleet::kDesiredBucket, fleet::kDesiredKey, to_json(desired), known->revision)) {
        (void)connection_.publish(fleet::kReloadEvent, to_json(order));  // who misses it looks by itself
        return true;
      }
    }
    if (!held_.keep() || !held_.sleep(settings_.timeouts.ask)) return false;
  }
  return true;
}

bool RolloutRun::desire() {
  const fleet::Order& order = rollout().order;
  while (rollout().options.target == kAll) {
    if (auto known = read_desired(connection_)) {
      const fleet::DesiredModule* module = known->value.find(order.module);
      if (module != nullptr && module->revision == order.revision && module->version == order.version) break;
      if (module != nullptr && module->revision >= order.revision) {
        return end(RolloutState::kFailed,
                   {ErrorCode::kVersionConflict,
                    fmt::format("Somebody else has made {} the desired version meanwhile", module->version.label)});
      }
      const bool is_rollback = rollout().kind == fleet::RolloutKind::kRollback;
      const fleet::Desired desired = is_rollback ? back_to(known->value, order) : with(known->value, order);
      if (connection_.put_if(fleet::kDesiredBucket, fleet::kDesiredKey, to_json(desired), known->revision)) break;
    }
    if (!held_.keep() || !held_.sleep(settings_.timeouts.ask)) return false;
  }
  fault_point("rollout.desired");
  (void)connection_.publish(fleet::kReloadEvent, to_json(order));  // who misses it looks by itself
  fault_point("rollout.announced");
  return end(RolloutState::kDone);
}

bool RolloutRun::end(RolloutState state, Error why) {
  rollout().error = std::move(why.message);
  rollout().code = word_of(why.code);
  return end(state);
}

bool RolloutRun::end(RolloutState state) {
  rollout().state = state;
  rollout().ended_at = rfc3339(RealClock().now());
  if (!held_.save()) return false;
  fault_point("rollout.ended");
  if (state == RolloutState::kDone) {
    spdlog::info("fleet: rollout {} is done: {} {}", held_.id(), rollout().order.module, rollout().order.version.label);
  } else {
    spdlog::warn("fleet: rollout {} has ended as {}: {}", held_.id(), word_of(state), rollout().error);
  }
  return true;
}

}  // namespace secbeat::orchestrator
