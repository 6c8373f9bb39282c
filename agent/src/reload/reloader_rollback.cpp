// Going back to a version that is loaded: no compiler, no gates, never refused for being inconvenient.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "module_names.hpp"
#include "reloader_impl.hpp"
#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

std::vector<std::string> kept_labels(const control::Slot& slot) {
  std::vector<std::string> labels;
  for (const control::Version& version : slot.versions) {
    if (version.id != slot.current) labels.push_back(version.label);
  }
  return labels;
}

// The version to go back to.
Outcome<control::Version> target_of(const Rollback& rollback, const control::Slot& slot) {
  if (!rollback.to_version) {
    if (const control::Version* previous = slot.previous_version()) return *previous;
    return refuse(ErrorCode::kNoPreviousVersion, fmt::format("{} has no previous version to roll back to", slot.name),
                  kept_labels(slot));
  }
  if (const control::Version* version = find_label(slot, *rollback.to_version)) return *version;
  const std::vector<std::string> kept = kept_labels(slot);
  return refuse(ErrorCode::kUnknownVersion,
                kept.empty() ? fmt::format("{} keeps no version but the one that it serves", slot.name)
                             : fmt::format("{} keeps no version {}; it keeps {}", slot.name, *rollback.to_version,
                                           fmt::join(kept, ", ")),
                kept);
}

Failure with_names(Failure failure, const Failure& reason) {
  failure.names = reason.names;
  return failure;
}

bool serves_something_else(const Rollback& rollback, const control::Slot& slot) {
  return (rollback.takes_back && *rollback.takes_back != slot.current) ||
         (rollback.completes && *rollback.completes != slot.current);
}

Error no_longer_serves(const control::Slot& slot) {
  return {ErrorCode::kVersionConflict,
          fmt::format("The version of {} that was to be taken back no longer serves", slot.name)};
}

}  // namespace

Outcome<RollbackResult> ReloaderImpl::rollback(const Rollback& wanted) {
  const Rollback rollback = with_what_was_held(wanted);
  Attempt attempt = new_attempt(rollback.takes_back ? "auto_rollback" : "rollback", rollback.reason, rollback.origin);
  auto slot = find_module(in_force(), config_names_, rollback.name);
  if (!slot) return std::unexpected(slot.error());
  attempt.name = slot->name;
  if (serves_something_else(rollback, *slot)) return std::unexpected(about(attempt.name, no_longer_serves(*slot)));
  // A rollback that leads nowhere must not end an upload that is under way.
  if (auto target = target_of(rollback, *slot); !target)
    return std::unexpected(with_names(about(attempt.name, target.error().error), target.error()));
  auto turn = gate_.enter_rollback();
  if (!turn) return std::unexpected(about(attempt.name, turn.error()));
  const auto posted = board_.post(attempt.name, attempt.kind, OperationStage::kStage, rollback.origin.request_id);
  const control::InForce before = in_force();
  if (slot = find_module(before, config_names_, attempt.name); !slot) return std::unexpected(slot.error());
  if (serves_something_else(rollback, *slot)) return std::unexpected(about(attempt.name, no_longer_serves(*slot)));

  auto target = target_of(rollback, *slot);
  if (!target) return std::unexpected(with_names(about(attempt.name, target.error().error), target.error()));
  if (rollback.still_wanted && !rollback.still_wanted()) {
    return std::unexpected(about(
        attempt.name, {ErrorCode::kVersionConflict, fmt::format("{} is not to be taken back any more", attempt.name)}));
  }
  std::optional<Quarantine> quarantine;
  if (const control::Version* bad = slot->current_version(); rollback.takes_back && bad != nullptr) {
    quarantine = {.name = slot->name,
                  .sha256 = bad->sha256,
                  .config_sha256 = bad->config_sha256,
                  .label = bad->label,
                  .since = now_text(),
                  .reason = rollback.reason};
  }
  attempt.mends = &turn->cancel();
  return go_back(*slot, rollback, *std::move(target), attempt, before, std::move(quarantine));
}

Outcome<RollbackResult> ReloaderImpl::go_back(const control::Slot& slot, const Rollback& rollback,
                                              control::Version target, Attempt& attempt, const control::InForce& before,
                                              std::optional<Quarantine> quarantine) {
  RollbackResult result{.name = slot.name,
                        .rolled_back_to = target.label,
                        .from_version = serving_label(slot.name),
                        .reason = attempt.reason,
                        .downtime_ms = 0,
                        .max_pause_us = 0,
                        .generation = before.generation,
                        .workers = {},
                        .warnings = {}};
  if (target.id == slot.current) {  // it is there already
    no_longer_held(slot, target, result);
    result.workers = workers_at(before.generation);
    return result;
  }
  attempt.attempted = target.label;
  attempt.sha256 = target.sha256;
  attempt.config_sha256 = target.config_sha256;
  // Workers decide by it from their next request on, whatever the rest of this waits for. What somebody has demanded
  // before (the command line without an agent, a rollback that is held) stays in effect also where this fails.
  control::BreakGlassArea& area = scoreboard_.layout().break_glass;
  const bool demanded = rollback.completes || control::is_taken_back(area, slot.current);
  const bool by_previous = slot.current != 0 && target.id == slot.previous;
  // An agent that dies now leaves the word, by which the next one completes the rollback: as the watch's, with
  // quarantine.
  if (by_previous && rollback.takes_back && !demanded) note_held(slot.current, rollback);
  const bool at_once = by_previous && control::take_back(area, slot.current);
  fault_point("rollback.demanded");
  const auto numbers = reserve(before);
  if (!numbers) {
    return held(slot, rollback, std::move(result), fail_attempt(attempt, about(attempt.name, numbers.error())));
  }
  target.loaded_at = now_text();
  control::InForce next = with_slot(before, with_current(slot, target, line(), config_.keep_previous_versions));
  next.generation = numbers->generation;

  Intent intent;
  intent.version_id = target.id;
  intent.quarantine = std::move(quarantine);
  auto applied = bring_into_force(before, next, std::move(intent), attempt, nullptr, Late::kGoOn);
  if (!applied) {
    auto outcome = held(slot, rollback, std::move(result), std::move(applied.error()));
    if (!outcome && at_once && !demanded) {
      control::let_decide_again(area, slot.current);
      clear_rollback_notes(area, slot.current);
    }
    if (!outcome) return std::unexpected(with_advice(std::move(outcome.error()), slot, target));
    return outcome;
  }
  collect_garbage();
  result.downtime_ms = applied->max_pause_ns / 1000000;
  result.max_pause_us = applied->max_pause_ns / 1000;
  result.generation = next.generation;
  result.workers = applied->workers;
  result.warnings = std::move(applied->warnings);
  no_longer_held(slot, target, result);
  spdlog::info("{}: Rolled back {} from {} to {} ({}ms downtime): {}", config_.node_name, result.name,
               result.from_version, result.rolled_back_to, result.downtime_ms, result.reason);
  return result;
}

Failure ReloaderImpl::with_advice(Failure failure, const control::Slot& slot, const control::Version& target) const {
  if (failure.error.code != ErrorCode::kWorkersDisagree && failure.error.code != ErrorCode::kArtifactRejected) {
    return failure;
  }
  std::vector<std::string> others = kept_labels(slot);
  std::erase(others, target.label);
  const std::string another = others.empty() ? std::string()
                                             : fmt::format(", or go to another version: secbeat rollback {} --to {}",
                                                           slot.name, others.front());
  failure.error.message += fmt::format(
      "; what decided before decides on. See what secbeat drill says of the workers and try again{}, or let "
      "requests pass meanwhile: secbeat bypass",
      another);
  return failure;
}

}  // namespace secbeat::agent
