#include "glass_book.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "freeze_file.hpp"
#include "statements.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kFirstRetry{1};
constexpr seconds kLastRetry{10};
// Far more than a commit takes where workers answer; an emergency waits for none that does not.
constexpr std::chrono::milliseconds kCommitPatience{1000};
constexpr std::chrono::milliseconds kLookForCommit{5};
constexpr seconds kNoteFirst{10};        // from a rollback's note to its word, at most
constexpr seconds kLongestRollback{15};  // by which its row may be older than its note

std::string text_of(std::uint64_t unix_ms) { return rfc3339(time_of_unix_ms(unix_ms)); }

GlassStatement shown(const control::Statement& statement) {
  return {.since = text_of(statement.since_unix_ms),
          .until = statement.until_unix_ms == 0 ? std::string() : text_of(statement.until_unix_ms),
          .by = statement.by,
          .reason = statement.reason};
}

std::string ends_text(const control::Statement& statement) {
  return statement.until_unix_ms == 0 ? std::string() : fmt::format(" (until {})", text_of(statement.until_unix_ms));
}

}  // namespace

void restore_freeze(const Config& config, control::Scoreboard& scoreboard) {
  control::BreakGlassArea& area = scoreboard.layout().break_glass;
  // A scoreboard that has seen an agent knows better than the file: somebody may have unfrozen without one.
  if (area.restored.load(std::memory_order_acquire) != 0) return;
  const auto freeze = read_freeze_file(freeze_file(config.data_dir));
  if (freeze && !control::last_freeze_of(area)) control::freeze(area, *freeze);
  // Last: an agent that dies before leaves it to the next one. Where somebody has said meanwhile that nothing is
  // frozen, that holds.
  std::uint64_t not_yet = 0;
  if (!area.restored.compare_exchange_strong(not_yet, 1, std::memory_order_acq_rel) && freeze) {
    control::unfreeze_if(area, *freeze);
  }
}

GlassBook::GlassBook(const Config& config, control::Scoreboard& scoreboard, const WorkerHub& hub, Reloader& reloader,
                     const Clock& clock)
    : config_(config),
      scoreboard_(scoreboard),
      hub_(hub),
      reloader_(reloader),
      clock_(clock),
      remembered_(read_freeze_file(freeze_file(config.data_dir))) {
  if (const auto frozen = control::freeze_of(area(), now_ms())) spdlog::warn("{}", frozen_sentence(*frozen));
  if (const auto bypass = control::bypass_of(area(), moment())) {
    spdlog::warn("{}: Bypass is on{}: every request passes uninspected", config_.node_name, ends_text(*bypass));
  }
}

control::Moment GlassBook::moment() const { return moment_of(clock_); }

control::Statement GlassBook::statement_of(const GlassDemand& demand) const {
  return agent::statement_of(moment(), demand.origin.by, demand.reason, demand.lasts);
}

GlassResult GlassBook::result_of(std::string message, std::vector<std::string> warnings) const {
  return {.message = std::move(message), .view = view(), .warnings = std::move(warnings)};
}

void GlassBook::record(HistoryRow row, std::string kind, const std::string& reason, const Origin& origin,
                       std::uint64_t at_unix_ms, std::vector<std::string>& warnings) {
  row.timestamp = text_of(at_unix_ms);
  row.kind = std::move(kind);
  row.success = true;
  row.reason = reason;
  row.by = origin.by;
  row.source_ip = origin.address;
  row.request_id = origin.request_id;
  row.generation = reloader_.in_force().generation;
  if (auto recorded = reloader_.record(row); !recorded) {
    warnings.push_back(fmt::format("it is not in the history: {}", recorded.error().message));
  }
}

void GlassBook::remember_freeze(std::vector<std::string>& warnings) {
  const std::lock_guard lock(mutex_);
  const auto frozen = control::last_freeze_of(area());
  if (frozen == remembered_) return;
  if (auto written = write_freeze_file(freeze_file(config_.data_dir), frozen); !written) {
    if (!std::exchange(told_unremembered_, true)) {
      warnings.push_back(
          fmt::format("a restart of the machine would undo it, until this is mended: {}", written.error().message));
    }
    return;
  }
  remembered_ = frozen;
  told_unremembered_ = false;
}

void GlassBook::warn_of_blind_workers(std::vector<std::string>& warnings) const {
  for (const WorkerStatus& worker : hub_.workers()) {
    if (worker.in_scoreboard) continue;
    warnings.push_back(
        fmt::format("worker {} does not see it: it counts in the scoreboard of another build; install "
                    "agent and nginx module of one build and restart nginx",
                    worker.pid));
  }
}

// What has begun to swap looked for a freeze before: it comes into force, and its answer must not come after ours.
void GlassBook::wait_for_commit(std::vector<std::string>& warnings) const {
  const auto deadline = std::chrono::steady_clock::now() + kCommitPatience;
  for (;;) {
    const auto operation = reloader_.operation();
    const bool swaps = operation && operation->stage == OperationStage::kSwap && !operation->kind.ends_with("rollback");
    if (!swaps) return;
    if (std::chrono::steady_clock::now() >= deadline) {
      warnings.push_back(
          fmt::format("a {} of {} was being swapped in when the freeze came, and is not over yet: look at "
                      "what serves",
                      operation->kind, operation->name));
      return;
    }
    std::this_thread::sleep_for(kLookForCommit);
  }
}

GlassResult GlassBook::freeze(const GlassDemand& demand) {
  const control::Statement statement = statement_of(demand);
  control::freeze(area(), statement);
  spdlog::warn("{}: Changes are frozen by {}: {}{}", config_.node_name, statement.by, statement.reason,
               ends_text(statement));
  std::vector<std::string> warnings;
  wait_for_commit(warnings);
  remember_freeze(warnings);
  record("freeze", statement.reason + ends_text(statement), demand.origin, statement.since_unix_ms, warnings);
  return result_of("Changes are frozen", std::move(warnings));
}

GlassResult GlassBook::unfreeze(const GlassDemand& demand) {
  if (!control::freeze_of(area(), now_ms())) return result_of("Changes were not frozen", {});
  control::unfreeze(area());
  spdlog::warn("{}: Changes are no longer frozen: {} ({})", config_.node_name, demand.reason, demand.origin.by);
  std::vector<std::string> warnings;
  remember_freeze(warnings);
  record("unfreeze", demand.reason, demand.origin, now_ms(), warnings);
  return result_of("Changes are no longer frozen", std::move(warnings));
}

GlassResult GlassBook::bypass(const GlassDemand& demand) {
  const control::Statement statement = statement_of(demand);
  control::begin_bypass(area(), statement, moment().boot_ms + milliseconds_of(demand.lasts));
  spdlog::warn("{}: Bypass by {}: {}{}; every request passes uninspected", config_.node_name, statement.by,
               statement.reason, ends_text(statement));
  std::vector<std::string> warnings;
  warn_of_blind_workers(warnings);
  record("bypass", statement.reason + ends_text(statement), demand.origin, statement.since_unix_ms, warnings);
  return result_of("Requests pass uninspected", std::move(warnings));
}

GlassResult GlassBook::end_bypass(const GlassDemand& demand) {
  if (!control::bypass_of(area(), moment())) return result_of("There was no bypass", {});
  control::end_bypass(area());
  spdlog::warn("{}: Bypass ended by {}: {}", config_.node_name, demand.origin.by, demand.reason);
  std::vector<std::string> warnings;
  record("bypass", "Ended: " + demand.reason, demand.origin, now_ms(), warnings);
  return result_of("Requests are inspected again", std::move(warnings));
}

BreakGlassView GlassBook::view() const {
  BreakGlassView view;
  if (const auto frozen = control::freeze_of(area(), now_ms())) view.frozen = shown(*frozen);
  if (const auto bypass = control::bypass_of(area(), moment())) view.bypass = shown(*bypass);
  for (const control::WorkerSlot& slot : scoreboard_.layout().workers) {
    view.requests_bypassed += slot.bypassed.load(std::memory_order_relaxed);
  }
  const control::InForce in_force = reloader_.in_force();
  for (const control::Slot& slot : in_force.slots) {
    const control::Version* current = slot.current_version();
    if (current == nullptr || !control::is_taken_back(area(), current->id)) continue;
    const control::Version* previous = slot.previous_version();
    view.taken_back.push_back({.name = slot.name,
                               .version = current->label,
                               .decided_by = previous == nullptr ? std::string() : previous->label});
  }
  for (const WorkerStatus& worker : hub_.workers()) {
    ++view.workers.total;
    if (worker.in_scoreboard) ++view.workers.serving;
  }
  return view;
}

void GlassBook::look() {
  read_notes();
  complete_rollbacks();
  end_what_is_over();
  std::vector<std::string> warnings;
  remember_freeze(warnings);
  for (const std::string& warning : warnings) spdlog::error("a freeze is not remembered: {}", warning);
}

// What was done without an agent, except rollbacks: those are recorded when they are completed.
void GlassBook::read_notes() {
  for (const control::WaitingNote& waiting : control::waiting_notes(area())) {
    if (is_to_be_completed(waiting.note)) continue;
    if (enter(waiting.note)) control::clear_note(area(), waiting.place);
  }
}

bool GlassBook::is_to_be_completed(const control::Note& note) const {
  if (!is_about_rollback_of(note, note.version_id)) return false;
  if (reloader_.operation()) return true;  // it may be completing it: look again
  if (control::is_taken_back(area(), note.version_id)) return serves(note.version_id);
  // Who writes the note takes the version back next.
  const std::uint64_t since = note.statement.since_unix_ms;
  return serves(note.version_id) && since <= now_ms() && since + milliseconds_of(kNoteFirst) > now_ms();
}

bool GlassBook::serves(std::uint64_t version_id) const {
  const control::InForce in_force = reloader_.in_force();
  return version_id != 0 &&
         std::ranges::find(in_force.slots, version_id, &control::Slot::current) != in_force.slots.end();
}

// An agent that died behind the ledger's row has left the note.
bool GlassBook::is_completed(const control::Note& note, const HistoryRow& overtaken) const {
  const auto rows = reloader_.history(overtaken.name, {.limit = 20, .before = {}});
  if (!rows) return false;
  const std::string since = text_of(note.statement.since_unix_ms - milliseconds_of(kLongestRollback));
  return std::ranges::any_of(*rows, [&](const HistoryRow& row) {
    return row.success && (row.kind == "rollback" || row.kind == "auto_rollback") &&
           row.from_version == overtaken.from_version && row.timestamp >= since;
  });
}

HistoryRow GlassBook::row_of_overtaken(const control::Note& note) const {
  HistoryRow row;
  const control::InForce in_force = reloader_.in_force();
  for (const control::Slot& slot : in_force.slots) {
    const control::Version* taken_back = slot.find(note.version_id);
    const control::Version* current = slot.current_version();
    if (note.version_id == 0 || taken_back == nullptr) continue;
    row.name = slot.name;
    row.from_version = taken_back->label;
    row.version = current == nullptr ? std::string() : current->label;
  }
  return row;
}

bool GlassBook::enter(const control::Note& note) {
  const control::Statement& statement = note.statement;
  const std::string when = ends_text(statement);
  std::vector<std::string> warnings;
  const auto enter_as = [&](const char* kind, const std::string& reason, HistoryRow row = {}) {
    record(std::move(row), kind, reason, {statement.by, {}}, statement.since_unix_ms, warnings);
    if (warnings.empty()) {
      spdlog::warn("{}: {} by {} at {}, while no agent answered: {}", config_.node_name, kind, statement.by,
                   text_of(statement.since_unix_ms), reason);
    }
  };
  switch (note.action) {
    case control::Action::kFreeze:
      enter_as("freeze", statement.reason + when);
      break;
    case control::Action::kUnfreeze:
      enter_as("unfreeze", statement.reason);
      break;
    case control::Action::kBypass:
      enter_as("bypass", statement.reason + when);
      break;
    case control::Action::kBypassEnd:
      enter_as("bypass", "Ended: " + statement.reason);
      break;
    case control::Action::kRollback:
    case control::Action::kAutoRollback: {
      HistoryRow row = row_of_overtaken(note);
      if (row.name.empty()) break;                                    // whoever may write the scoreboard can name any
      if (serves(note.version_id) || is_completed(note, row)) break;  // never taken back, or in the history
      const char* kind = note.action == control::Action::kRollback ? "rollback" : "auto_rollback";
      enter_as(kind, statement.reason + " (it was in effect until another version came)", std::move(row));
      break;
    }
  }
  if (warnings.empty()) return true;
  if (!std::exchange(told_unrecorded_, true)) {
    spdlog::error("what was done without an agent waits to be recorded: {}", warnings.front());
  }
  return false;
}

void GlassBook::complete_rollbacks() {
  const std::vector<std::uint64_t> ids = control::taken_back(area());
  if (ids.empty()) return;
  const std::vector<control::WaitingNote> notes = control::waiting_notes(area());
  const control::InForce in_force = reloader_.in_force();
  for (const std::uint64_t id : ids) {
    const auto slot = std::ranges::find(in_force.slots, id, &control::Slot::current);
    if (slot == in_force.slots.end()) {
      forget_finished(id);
      continue;
    }
    const auto note = std::ranges::find_if(
        notes, [&](const control::WaitingNote& waiting) { return is_about_rollback_of(waiting.note, id); });
    complete(*slot, note == notes.end() ? std::nullopt : std::optional(*note));
  }
}

void GlassBook::complete(const control::Slot& slot, const std::optional<control::WaitingNote>& note) {
  // One that is under way has taken the version back itself.
  if (reloader_.operation() || clock_.steady() < try_again_) return;
  Rollback rollback;
  rollback.name = slot.name;
  rollback.completes = slot.current;
  rollback.origin.by = "scoreboard";
  rollback.reason = "A rollback that was begun and not completed";
  if (note) {
    rollback.origin.by = note->note.statement.by;
    rollback.reason = fmt::format("{} (in effect since {}, while no agent answered)", note->note.statement.reason,
                                  text_of(note->note.statement.since_unix_ms));
  }
  const auto done = reloader_.rollback(rollback);
  if (done && !done->held) {
    clear_rollback_notes(area(), slot.current);
    patience_ = {};
    return;
  }
  if (!done && done.error().error.code == ErrorCode::kVersionConflict) return;
  if (!done && done.error().error.code == ErrorCode::kNoPreviousVersion) return give_up(slot, rollback, note);
  patience_ = std::clamp<SteadyTime::duration>(patience_ * 2, kFirstRetry, kLastRetry);
  try_again_ = clock_.steady() + patience_;
  if (!done) {
    spdlog::error("{}: the rollback of {} cannot be completed yet: {}", config_.node_name, slot.name,
                  done.error().error.message);
  }
}

// What the version was taken back to has not survived, and nothing but the version itself can decide.
void GlassBook::give_up(const control::Slot& slot, const Rollback& rollback,
                        const std::optional<control::WaitingNote>& note) {
  control::let_decide_again(area(), slot.current);
  const std::string why =
      fmt::format("{}; it cannot be completed, as no version before it is kept, and {} decides again", rollback.reason,
                  slot.current_version()->label);
  spdlog::error("{}: the rollback of {}: {}", config_.node_name, slot.name, why);
  if (!note) return;
  const bool is_automatic = note->note.action == control::Action::kAutoRollback;
  HistoryRow row;
  row.name = slot.name;
  row.version = row.from_version = slot.current_version()->label;
  std::vector<std::string> warnings;
  record(std::move(row), is_automatic ? "auto_rollback" : "rollback", why, rollback.origin,
         note->note.statement.since_unix_ms, warnings);
  if (warnings.empty()) control::clear_note(area(), note->place);
}

// A version that no worker can be deciding by any more.
void GlassBook::forget_finished(std::uint64_t version_id) {
  const std::uint64_t generation = reloader_.in_force().generation;
  const std::vector<WorkerStatus> workers = hub_.workers();
  const bool all_there =
      std::ranges::all_of(workers, [&](const WorkerStatus& worker) { return worker.generation >= generation; });
  if (all_there && !reloader_.operation()) control::let_decide_again(area(), version_id);
}

void GlassBook::end_what_is_over() {
  std::vector<std::string> warnings;
  if (const auto bypass = control::last_bypass_of(area());
      bypass && !control::bypass_of(area(), moment()) && control::end_bypass_until(area(), bypass->until_unix_ms)) {
    spdlog::warn("{}: Bypass is over; requests are inspected again", config_.node_name);
    record("bypass", "Ended by itself: " + bypass->reason, {bypass->by, {}}, now_ms(), warnings);
  }
  if (const auto freeze = control::last_freeze_of(area());
      freeze && !control::freeze_of(area(), now_ms()) && control::unfreeze_if(area(), *freeze)) {
    spdlog::warn("{}: The freeze is over; changes are possible again", config_.node_name);
    record("unfreeze", "Ended by itself: " + freeze->reason, {freeze->by, {}}, now_ms(), warnings);
  }
  for (const std::string& warning : warnings) spdlog::error("{}", warning);
}

}  // namespace secbeat::agent
