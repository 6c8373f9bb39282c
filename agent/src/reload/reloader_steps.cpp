// Steps that reload, rollback and the start share.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "gates.hpp"
#include "module_names.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {
namespace {

constexpr std::uint32_t kRetryAfterSeconds = 1;
constexpr std::size_t kMaxEarlier = 16;  // generations that a slow worker may still serve

}  // namespace

Error no_worker() {
  return {ErrorCode::kNoWorker,
          "No nginx worker is there to serve the new version; start nginx, or wait until it is up, and try again"};
}

Error without_configure(const std::string& name) {
  return {ErrorCode::kConfigureFailed,
          fmt::format("{} takes no configuration: the module does not export configure", name)};
}

Error configure_for_each_request(const std::string& name) {
  return {ErrorCode::kConfigureFailed,
          fmt::format("{} exports configure, and isolation = \"request\" would have to configure an instance for each "
                      "request: set isolation = \"instance\" in the configuration file, or build the module without "
                      "configure",
                      name)};
}

Attempt ReloaderImpl::new_attempt(std::string kind, std::string reason, const Origin& origin) const {
  return {.name = {},
          .kind = std::move(kind),
          .reason = std::move(reason),
          .origin = origin,
          .received = clock_.steady(),
          .requests_at_receipt = scoreboard_.total_requests(),
          .stages = {},
          .attempted = {},
          .sha256 = {},
          .config_sha256 = {},
          .gates = Gates::kOn,
          .measured = {}};
}

std::optional<Failure> ReloaderImpl::forbidden(Attempt& attempt) {
  if (!config_.hot_reload_enabled) {
    return fail_attempt(attempt, about(attempt.name, {ErrorCode::kHotReloadDisabled, "Hot reload is disabled"}));
  }
  const auto frozen = control::freeze_of(scoreboard_.layout().break_glass, unix_ms_of(clock_.now()));
  if (!frozen) return std::nullopt;
  return fail_attempt(attempt, about(attempt.name, {ErrorCode::kFrozen, frozen_sentence(*frozen)}));
}

std::uint64_t ReloaderImpl::deciding(const control::Slot& slot) const {
  if (slot.current == 0 || slot.previous == 0) return slot.current;
  return control::is_taken_back(scoreboard_.layout().break_glass, slot.current) ? slot.previous : slot.current;
}

// A freeze, or a rollback without the agent, may have come while the compiler ran or workers got ready. The board says
// by now that this operation swaps: who freezes after this look sees it there and waits.
std::optional<Failure> ReloaderImpl::overtaken(const control::InForce& before, Attempt& attempt) {
  if (auto refused = forbidden(attempt)) return refused;
  const control::Slot* slot = before.find(attempt.name);
  if (slot == nullptr || deciding(*slot) == attempt.replaces) return std::nullopt;
  return fail_attempt(attempt, about(attempt.name, cancelled()));
}

Outcome<OperationGate::Turn> ReloaderImpl::enter(const std::string& name, Patient patient) {
  auto turn = patient == Patient::kYes ? gate_.enter_in_turn() : gate_.enter_upload();
  if (turn) return *std::move(turn);
  Failure failure = about(name, turn.error());
  if (failure.error.code == ErrorCode::kReloadInProgress) failure.retry_after_seconds = kRetryAfterSeconds;
  return std::unexpected(std::move(failure));
}

std::optional<Failure> ReloaderImpl::conflict(const std::string& name,
                                              const std::optional<std::string>& expected_version) const {
  const std::string serving = current_label(in_force(), name).value_or("none");
  if (!expected_version || *expected_version == serving) return std::nullopt;
  return about(name, {ErrorCode::kVersionConflict,
                      fmt::format("Version conflict: expected {}, got {}", *expected_version, serving)});
}

Result<Checked> ReloaderImpl::check(const Candidate& candidate, Attempt& attempt, const control::InForce& before,
                                    const CancelToken& cancel) {
  if (candidate.info.exports_configure &&
      empty_slot(candidate.name, config_, config_names_).isolation == engine::Isolation::kRequest) {
    return std::unexpected(configure_for_each_request(candidate.name));
  }
  const SteadyTime start = clock_.steady();
  // A file of tests that cannot be used is for the gates to tell.
  auto rule_tests = rule_tests_of(candidate.name, config_, config_names_);
  if (!rule_tests.empty() && !check_rule_tests(rule_tests)) rule_tests.clear();
  control::InForce made = before;
  made.slots.push_back(rehearsed_);
  auto checked = pipeline_.check(candidate, made, cancel, engine::Costing::kRun, rule_tests);
  if (!checked) {
    attempt.stages.validate_ms = since_ms(start);
    if (checked.error().code == ErrorCode::kCancelled) return std::unexpected(cancelled());
    return checked;
  }
  attempt.stages.validate_ms = checked->stages.validate_ms;
  attempt.stages.compile_ms = checked->stages.compile_ms;
  attempt.stages.rehearse_ms = checked->stages.rehearse_ms;
  return checked;
}

Error ReloaderImpl::cancelled() const {
  if (gate_.closing()) return {ErrorCode::kShuttingDown, "The node is stopping; try again when it is back"};
  return {ErrorCode::kCancelled,
          "A rollback came first and took this reload's place; look at what is serving and "
          "upload again if it is still wanted"};
}

Result<NewLabel> ReloaderImpl::label_for(const Candidate& candidate) const {
  auto families = ledger_->families(candidate.name);
  if (!families) return std::unexpected(families.error());
  if (candidate.label) {
    if (auto given = wanted_label(*families, *candidate.label)) return *std::move(given);
  }
  return next_label(*families, candidate.info.embedded_version, candidate.sha256);
}

Result<Numbers> ReloaderImpl::reserve(const control::InForce& before) {
  auto numbers = ledger_->reserve();
  if (numbers) numbers->generation = std::max(numbers->generation, before.generation + 1);
  return numbers;
}

Result<ReloaderImpl::Prepared> ReloaderImpl::prepare(const Candidate& candidate, const Checked& checked,
                                                     const Attempt& attempt, const control::InForce& before) {
  auto label = label_for(candidate);
  if (!label) return std::unexpected(label.error());
  auto artifact_bytes = pipeline_.keep(candidate, checked);
  if (!artifact_bytes) return std::unexpected(artifact_bytes.error());
  const auto numbers = reserve(before);
  if (!numbers) return std::unexpected(numbers.error());

  const control::Slot* found = before.find(candidate.name);
  control::Slot slot = found != nullptr ? *found : empty_slot(candidate.name, config_, config_names_);
  // After a removal the line goes on from what was removed; a version that is taken back is left out of it.
  const std::uint64_t replaced = slot.is_removed() ? slot.previous : attempt.replaces;
  // Nor must it take the place in the window of the one that decided.
  std::ranges::stable_partition(slot.versions, [&](const control::Version& kept) { return kept.id == replaced; });
  const control::Version version{.id = numbers->version_id,
                                 .label = label->label,
                                 .sha256 = candidate.sha256,
                                 .config_sha256 = candidate.config_sha256,
                                 .artifact_sha256 = checked.artifact_sha256,
                                 .size_bytes = candidate.bytes.size(),
                                 .loaded_at = now_text()};
  const Line line = [&](std::uint64_t id) { return id == version.id ? replaced : ledger_->previous_id(id); };

  Prepared prepared;
  prepared.next = with_slot(with_room_for(candidate.name, before, config_names_),
                            with_current(std::move(slot), version, line, config_.keep_previous_versions));
  prepared.next.generation = numbers->generation;
  prepared.intent.row = row_of(attempt);
  prepared.intent.measures = {checked.report.cost, checked.report.inventory};
  prepared.intent.version_id = version.id;
  prepared.intent.new_version = VersionRow{.id = version.id,
                                           .name = candidate.name,
                                           .label = version.label,
                                           .sha256 = version.sha256,
                                           .config_sha256 = version.config_sha256,
                                           .artifact_sha256 = version.artifact_sha256,
                                           .size_bytes = version.size_bytes,
                                           .artifact_bytes = *artifact_bytes,
                                           .embedded_version = candidate.info.embedded_version,
                                           .exports_configure = candidate.info.exports_configure,
                                           .previous_id = replaced,
                                           .created_at = version.loaded_at,
                                           .generation = 0};
  prepared.intent.signature = attempt.signature;
  prepared.warnings = attempt.warnings;
  std::ranges::copy(checked.report.warnings, std::back_inserter(prepared.warnings));
  if (!label->warning.empty()) prepared.warnings.push_back(label->warning);
  prepared.intent.label = *std::move(label);
  return prepared;
}

// `cancel` is null where nothing may stand in the way: a rollback waits for workers that load, and needs none.
Outcome<void> ReloaderImpl::stage(control::InForce& next, Attempt& attempt, const CancelToken* cancel, Late late) {
  const SteadyTime start = clock_.steady();
  board_.set_stage(OperationStage::kStage);
  std::optional<CancelToken::Waker> waker;
  if (cancel != nullptr) waker.emplace(*cancel, [&] { committer_.abort(next); });
  auto staged = committer_.stage(next, late);
  if (!staged && attempt.mends != nullptr && make_whole(next, staged.error(), *attempt.mends)) {
    staged = committer_.stage(next, late);
  }
  waker.reset();
  attempt.stages.stage_ms = since_ms(start);
  if (cancel != nullptr && (cancel->cancelled() || (staged && staged->workers == 0))) {
    committer_.abort(next);
    return std::unexpected(about(attempt.name, cancel->cancelled() ? cancelled() : no_worker()));
  }
  if (!staged) return std::unexpected(std::move(staged.error()));
  return {};
}

Outcome<ReloaderImpl::Applied> ReloaderImpl::bring_into_force(const control::InForce& before, control::InForce& next,
                                                              Intent intent, Attempt& attempt,
                                                              const CancelToken* cancel, Late late) {
  if (auto staged = stage(next, attempt, cancel, late); !staged) {
    return std::unexpected(fail_attempt(attempt, std::move(staged.error())));
  }
  intent.row = row_of(attempt);
  intent.row.version = attempt.attempted;
  intent.row.attempted_version.clear();
  intent.row.generation = next.generation;
  const SteadyTime start = clock_.steady();
  board_.set_stage(OperationStage::kSwap);
  if (late == Late::kRefuse) {  // only a rollback goes on without the late ones
    if (auto refused = overtaken(before, attempt)) {
      committer_.abort(next);
      return std::unexpected(*std::move(refused));
    }
  }
  auto swapped = committer_.commit(before, next, std::span(&intent, 1), late);
  attempt.stages.swap_ms = since_ms(start);
  const std::uint64_t requests = scoreboard_.total_requests() - attempt.requests_at_receipt;
  if (!swapped) {
    SwapFailure& lost = swapped.error();
    remember(lost.in_force);
    lost.failure.current_version = current_label(lost.in_force, attempt.name);
    if (lost.rows.empty()) return std::unexpected(fail_attempt(attempt, std::move(lost.failure)));
    if (auto noted = ledger_->withdraw(lost.rows.front(), lost.failure.error, finish_of(attempt, requests)); !noted) {
      spdlog::error("a failed reload of {} is not in the history: {}", attempt.name, noted.error().message);
    }
    return std::unexpected(std::move(lost.failure));
  }
  remember(next);
  tell_keeper(next, intent);
  Applied applied{swapped->workers, swapped->max_pause_ns, requests, {}};
  for (const WorkerFailure& worker : swapped->late) {
    applied.warnings.push_back(
        fmt::format("worker {} does not answer ({}); it is brought there when it does, secbeat drill says what to do "
                    "about it",
                    worker.pid, worker.error.message));
  }
  if (auto noted = ledger_->succeed(swapped->rows.front(), finish_of(attempt, requests)); !noted) {
    // The intent is on the disk and agrees with the in-force file: the next start completes it.
    applied.warnings.push_back(fmt::format("the history could not be completed: {}", noted.error().message));
  }
  return applied;
}

Failure ReloaderImpl::fail_attempt(Attempt& attempt, Failure failure) {
  failure.about_module = true;
  if (const std::string serving = serving_label(attempt.name); !serving.empty()) failure.current_version = serving;
  const Finish finish = finish_of(attempt, scoreboard_.total_requests() - attempt.requests_at_receipt);
  HistoryRow row = row_of(attempt);
  row.duration_ms = finish.duration_ms;
  row.requests_during_reload = finish.requests_during_reload;
  row.stages = finish.stages;
  row.error = failure.error.message;
  row.code = word_of(failure.error.code);
  if (auto noted = ledger_->record_failure(row); !noted) {
    spdlog::error("a failed reload of {} is not in the history: {}", attempt.name, noted.error().message);
  }
  return failure;
}

Failure ReloaderImpl::about(const std::string& name, Error error) const {
  Failure failure{.error = std::move(error),
                  .about_module = true,
                  .current_version = {},
                  .retry_after_seconds = {},
                  .names = {},
                  .workers = {},
                  .measured = {}};
  if (const std::string serving = serving_label(name); !serving.empty()) failure.current_version = serving;
  return failure;
}

HistoryRow ReloaderImpl::row_of(const Attempt& attempt) const {
  HistoryRow row;
  row.timestamp = now_text();
  row.name = attempt.name;
  row.kind = attempt.kind;
  row.version = serving_label(attempt.name);
  row.from_version = row.version;
  row.attempted_version = attempt.attempted;
  row.reason = attempt.reason;
  row.by = attempt.origin.by;
  row.source_ip = attempt.origin.address;
  row.request_id = attempt.origin.request_id;
  row.sha256 = attempt.sha256;
  row.config_sha256 = attempt.config_sha256;
  row.generation = in_force().generation;
  row.signed_by = attempt.signature ? attempt.signature->key_id : std::string();
  row.stages = attempt.stages;
  row.measured = attempt.measured;
  return row;
}

Finish ReloaderImpl::finish_of(Attempt& attempt, std::uint64_t requests) const {
  attempt.stages.total_ms = since_ms(attempt.received);
  return {static_cast<std::uint64_t>(std::llround(attempt.stages.total_ms)), requests, attempt.stages};
}

WorkerCount ReloaderImpl::workers_at(std::uint64_t generation) const {
  const std::vector<WorkerStatus> workers = hub_.workers();
  const auto serving = std::ranges::count(workers, generation, &WorkerStatus::generation);
  return {static_cast<std::size_t>(serving), workers.size()};
}

double ReloaderImpl::since_ms(SteadyTime start) const {
  return std::chrono::duration<double, std::milli>(clock_.steady() - start).count();
}

Line ReloaderImpl::line() const {
  return [this](std::uint64_t id) { return ledger_->previous_id(id); };
}

void ReloaderImpl::remember(const control::InForce& in_force) {
  const std::lock_guard lock(mutex_);
  if (in_force_.generation == in_force.generation) return;
  earlier_.push_front(std::move(in_force_));
  if (earlier_.size() > kMaxEarlier) earlier_.pop_back();
  in_force_ = in_force;
}

void ReloaderImpl::tell_keeper(const control::InForce& next, const Intent& intent) {
  const control::Slot* slot = next.find(intent.row.name);
  const control::Version* version = slot == nullptr ? nullptr : slot->find(intent.version_id);
  if (keeper_ == nullptr || version == nullptr) return;
  const auto known = intent.new_version ? Result<VersionRow>(*intent.new_version) : ledger_->version(version->id);
  const HistoryRow& row = intent.row;
  // The ledger counts a new one only when the change has succeeded.
  const auto signature = intent.signature ? Result<std::optional<SignatureRow>>(*intent.signature)
                                          : ledger_->signature(slot->name, version->sha256);
  keeper_->came_into_force({.module = slot->name,
                            .label = version->label,
                            .sha256 = version->sha256,
                            .size_bytes = version->size_bytes,
                            .config_sha256 = version->config_sha256,
                            .created_at = known ? known->created_at : version->loaded_at,
                            .signature = signature && *signature ? (*signature)->text : std::string(),
                            .times = {{.since = row.timestamp,
                                       .generation = next.generation,
                                       .kind = row.kind,
                                       .reason = row.reason,
                                       .by = row.by,
                                       .request_id = row.request_id}}});
}

void ReloaderImpl::collect_garbage() {
  std::vector<control::InForce> documents{in_force()};
  documents.front().slots.push_back(rehearsed_);
  if (keeper_ != nullptr) {
    control::Slot& wanted = documents.emplace_back().slots.emplace_back();
    wanted.versions = keeper_->wanted();
  }
  {
    // A worker that starts at this moment may have read the document before.
    const std::lock_guard lock(mutex_);
    if (!earlier_.empty()) documents.push_back(earlier_.front());
  }
  store_.collect_garbage(documents);
}

std::string ReloaderImpl::serving_label(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return current_label(in_force_, name).value_or(std::string());
}

}  // namespace secbeat::agent
