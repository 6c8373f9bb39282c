// A rollback that the node's files cannot take, because the disk is full or read-only: the scoreboard holds it. Workers
// decide by the version before from their next request on, also those that start later, and the rollback is completed
// when the files can be written. And the rehearsal of a rollback.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "module_names.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {

std::string frozen_sentence(const control::Statement& freeze) {
  return fmt::format("Changes are frozen since {} by {}: {}", rfc3339(time_of_unix_ms(freeze.since_unix_ms)), freeze.by,
                     freeze.reason);
}

bool is_about_rollback_of(const control::Note& note, std::uint64_t version_id) {
  const bool rollback = note.action == control::Action::kRollback || note.action == control::Action::kAutoRollback;
  return rollback && note.version_id == version_id;
}

void clear_rollback_notes(control::BreakGlassArea& area, std::uint64_t version_id) {
  for (const control::WaitingNote& waiting : control::waiting_notes(area)) {
    if (is_about_rollback_of(waiting.note, version_id)) control::clear_note(area, waiting.place);
  }
}

// As it was asked for: by this agent, or by the one before it, of which the scoreboard has a note.
Rollback ReloaderImpl::with_what_was_held(const Rollback& rollback) const {
  if (!rollback.completes) return rollback;
  Rollback whole = rollback;
  {
    const std::lock_guard lock(mutex_);
    const auto held = held_.find(*rollback.completes);
    if (held != held_.end()) {
      whole = held->second;
      whole.name = rollback.name;
      whole.completes = rollback.completes;
      return whole;
    }
  }
  for (const control::WaitingNote& waiting : control::waiting_notes(scoreboard_.layout().break_glass)) {
    const control::Note& note = waiting.note;
    if (!is_about_rollback_of(note, *rollback.completes) || note.statement.by.starts_with("scoreboard:")) continue;
    whole.reason = note.statement.reason;
    whole.origin.by = note.statement.by;
    if (note.action == control::Action::kAutoRollback) whole.takes_back = rollback.completes;
  }
  return whole;
}

// For the agent after this one. What the command line noted stands already.
void ReloaderImpl::note_held(std::uint64_t version_id, const Rollback& rollback) {
  control::BreakGlassArea& area = scoreboard_.layout().break_glass;
  for (const control::WaitingNote& waiting : control::waiting_notes(area)) {
    if (is_about_rollback_of(waiting.note, version_id)) return;
  }
  const control::Note note{.action = rollback.takes_back ? control::Action::kAutoRollback : control::Action::kRollback,
                           .version_id = version_id,
                           .statement = {.since_unix_ms = unix_ms_of(clock_.now()),
                                         .until_unix_ms = 0,
                                         .by = rollback.origin.by,
                                         .reason = rollback.reason}};
  if (!control::add_note(area, note)) {
    spdlog::warn("too much waits to be recorded: after a restart nobody knows who asked for the rollback of {}",
                 rollback.name.value_or("the module"));
  }
}

Outcome<RollbackResult> ReloaderImpl::held(const control::Slot& slot, const Rollback& rollback, RollbackResult result,
                                           Failure failure) {
  const control::Version* previous = slot.previous_version();
  const bool by_previous = slot.current != 0 && previous != nullptr && previous->label == result.rolled_back_to;
  if (failure.error.code != ErrorCode::kIo || !by_previous) return std::unexpected(std::move(failure));
  if (!control::take_back(scoreboard_.layout().break_glass, slot.current)) return std::unexpected(std::move(failure));
  {
    const std::lock_guard lock(mutex_);
    Rollback& kept = held_[slot.current] = rollback;
    kept.still_wanted = nullptr;  // who asked is not there for ever, and it is in effect
  }
  note_held(slot.current, rollback);
  result.held = true;
  result.workers = workers_at(result.generation);
  result.warnings.push_back(
      fmt::format("the node's files cannot be written ({}): workers decide by {} all the same, and the rollback is "
                  "completed when they can; make room in {}",
                  failure.error.message, result.rolled_back_to, config_.data_dir.string()));
  spdlog::error("{}: Rolled back {} from {} to {}, by the scoreboard only: {}", config_.node_name, result.name,
                result.from_version, result.rolled_back_to, failure.error.message);
  return result;
}

// Whoever rolls back to a version that was taken back wants it to decide.
void ReloaderImpl::no_longer_held(const control::Slot& slot, const control::Version& target,
                                  const RollbackResult& done) {
  control::BreakGlassArea& area = scoreboard_.layout().break_glass;
  control::let_decide_again(area, target.id);
  // A worker that has not swapped goes on deciding by the version before until it has.
  const bool all_serve = done.workers.serving == done.workers.total;
  if (target.id != slot.current && all_serve) control::let_decide_again(area, slot.current);
  clear_rollback_notes(area, target.id);
  clear_rollback_notes(area, slot.current);
  const std::lock_guard lock(mutex_);
  held_.erase(target.id);
  held_.erase(slot.current);
}

Outcome<RehearsedRollback> ReloaderImpl::rehearse_rollback(const std::string& name) {
  auto turn = enter(name, Patient::kNo);
  if (!turn) return std::unexpected(turn.error());
  const control::InForce before = in_force();
  auto slot = find_in_chain(before, config_names_, name);
  if (!slot) return std::unexpected(slot.error());
  const control::Version* previous = slot->previous_version();
  if (previous == nullptr) {
    return std::unexpected(
        about(name, {ErrorCode::kNoPreviousVersion, fmt::format("{} has no version before this one", name)}));
  }
  RehearsedRollback rehearsed{
      .name = name, .version = serving_label(name), .would_be = previous->label, .failures = {}, .history_problem = {}};
  control::InForce next = with_slot(before, with_current(*slot, *previous, line(), config_.keep_previous_versions));
  const auto numbers = reserve(before);
  if (!numbers) {
    rehearsed.history_problem = numbers.error();
    return rehearsed;
  }
  next.generation = numbers->generation;
  StageOutcome outcome;
  {
    // A real rollback does not wait for it.
    const CancelToken::Waker waker(turn->cancel(), [&] { hub_.abort(next.generation); });
    outcome = hub_.stage(next, Committer::kShortTimeout);
  }
  hub_.abort(next.generation);
  if (turn->cancel().cancelled()) {
    return std::unexpected(
        about(name, {ErrorCode::kReloadInProgress, "A rollback came meanwhile, which shows more than a drill"}));
  }
  rehearsed.workers = outcome.workers - std::min(outcome.workers, outcome.failures.size());
  rehearsed.failures = std::move(outcome.failures);
  return rehearsed;
}

}  // namespace secbeat::agent
