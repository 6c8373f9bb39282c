#include "secbeat/agent/reloader.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "lost_rules.hpp"
#include "module_names.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {
namespace {

constexpr std::uint64_t kNsPerMs = 1000000;

std::string kind_of(const Upload& upload) {
  if (upload.kind == UploadKind::kFileChange) return "file_change";
  if (!upload.file) return "config";
  return upload.kind == UploadKind::kLoad ? "load" : "reload";
}

}  // namespace

ReloaderImpl::ReloaderImpl(const Config& config, control::Scoreboard& scoreboard, WorkerHub& hub, const Clock& clock,
                           EngineParts parts, std::unique_ptr<Ledger> ledger, VersionStore store)
    : config_(config),
      scoreboard_(scoreboard),
      hub_(hub),
      clock_(clock),
      parts_(std::move(parts)),
      ledger_(std::move(ledger)),
      store_(std::move(store)),
      pipeline_(config_, store_, *parts_.compiler, clock_),
      committer_(*ledger_, store_, hub_),
      board_(clock_) {}

Outcome<ReloadResult> ReloaderImpl::reload(const Upload& upload) {
  Attempt attempt = new_attempt(kind_of(upload), upload.reason, upload.origin);
  attempt.gates = upload.gates;
  attempt.upload = upload.kind;
  if (upload.received != SteadyTime{}) attempt.received = upload.received;
  attempt.stages.receive_ms = since_ms(attempt.received);

  if (upload.file && upload.file->size() > config_.max_module_bytes) {
    return std::unexpected(about(upload.name.value_or(default_module(in_force(), config_names_)),
                                 {ErrorCode::kTooLarge, fmt::format("The module has {} bytes; the limit is {} bytes",
                                                                    upload.file->size(), config_.max_module_bytes)}));
  }
  const Result<engine::ModuleInfo> info =
      upload.file ? engine::read_module_info(*upload.file) : Result<engine::ModuleInfo>(engine::ModuleInfo{});
  auto name = name_of(upload, info);
  if (!name) return std::unexpected(name.error());
  attempt.name = *name;
  if (upload.mode == Mode::kApply) {
    if (auto refused = forbidden(attempt)) return std::unexpected(*std::move(refused));
  }
  if (upload.problem) return std::unexpected(fail_attempt(attempt, about(*name, *upload.problem)));
  auto turn = enter(*name, is_patient(upload.kind) ? Patient::kYes : Patient::kNo);
  if (!turn) return std::unexpected(turn.error());
  const auto posted = board_.post(*name, upload.mode == Mode::kDryRun ? "validate" : attempt.kind,
                                  OperationStage::kCheck, upload.origin.request_id);
  auto done = run(upload, info, attempt, turn->cancel());
  collect_garbage();
  return done;
}

Outcome<std::string> ReloaderImpl::name_of(const Upload& upload, const Result<engine::ModuleInfo>& info) const {
  const control::InForce now = in_force();
  if (upload.file) return name_of_file(upload, info, default_module(now, config_names_));
  std::vector<std::string> configurable;
  for (const control::Slot& slot : now.slots) {
    auto row = ledger_->version(slot.current);
    if (!row && row.error().code != ErrorCode::kUnknownVersion) return refuse(row.error().code, row.error().message);
    if (row && row->exports_configure) configurable.push_back(slot.name);
  }
  return name_of_configuration(upload, now, configurable);
}

Outcome<ReloadResult> ReloaderImpl::run(const Upload& upload, const Result<engine::ModuleInfo>& info, Attempt& attempt,
                                        const CancelToken& cancel) {
  const control::InForce before = in_force();
  const control::Slot* slot = before.find(attempt.name);
  attempt.replaces = slot == nullptr ? 0 : deciding(*slot);
  const control::Version* current = slot == nullptr ? nullptr : slot->find(attempt.replaces);
  if (auto lost = conflict(attempt.name, upload.expected_version)) {
    if (upload.mode == Mode::kDryRun) return std::unexpected(*std::move(lost));
    return std::unexpected(fail_attempt(attempt, *std::move(lost)));
  }
  auto candidate = candidate_of(upload, info, attempt.name, current);
  if (!candidate) {
    if (upload.kind != UploadKind::kFileChange) return std::unexpected(about(attempt.name, candidate.error()));
    return std::unexpected(fail_attempt(attempt, about(attempt.name, candidate.error())));
  }
  attempt.sha256 = candidate->sha256;
  attempt.config_sha256 = candidate->config_sha256;
  if (upload.kind == UploadKind::kFileChange && upload.config && current != nullptr) {
    const auto replaced = store_.config_bytes(current->config_sha256);  // there may be none
    if (replaced) attempt.reason += told_as_lost(lost_rules(*replaced, *upload.config));
  }

  const bool same_bytes = current != nullptr && current->sha256 == candidate->sha256;
  // A fleet sends the bytes that are in force also where only their configuration changes, which needs no signature.
  if (upload.file && !(is_of_fleet(upload.kind) && same_bytes)) {
    if (auto vouched = check_vouched(*candidate, upload.signature, attempt); !vouched) {
      Failure failure = about(attempt.name, vouched.error());
      if (upload.mode == Mode::kDryRun) return std::unexpected(std::move(failure));
      return std::unexpected(fail_attempt(attempt, std::move(failure)));
    }
  }

  // Where what is in force is taken back, every upload is a change: it ends that.
  // And of a fleet, which has one label for a version on all nodes, one of another label.
  const bool same_label = !upload.label || (current != nullptr && current->label == *upload.label);
  const bool same = same_bytes && same_label && current->config_sha256 == candidate->config_sha256 &&
                    slot->current == attempt.replaces;
  if (same_bytes && upload.kind != UploadKind::kFileChange) attempt.kind = "config";
  if (upload.mode == Mode::kDryRun) {
    if (auto held = held_in_quarantine(upload, attempt); held && !same) return std::unexpected(*std::move(held));
    return try_out(*candidate, attempt, before, cancel);
  }
  // Where a worker does not serve it (its artifact was damaged, say), the same upload brings it there.
  const WorkerCount at = workers_at(before.generation);
  if (same && at.serving == at.total) {
    ReloadResult result = result_of(*candidate, attempt, before, current->label);
    result.unchanged = true;
    return result;
  }
  if (auto refused = judged_by_gates(upload, attempt)) {
    return std::unexpected(fail_attempt(attempt, *std::move(refused)));
  }
  if (!has_room_for(attempt.name, with_room_for(attempt.name, before, config_names_))) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("The chain holds {} modules already, more would slow down every "
                              "request; replace one of them",
                              kMaxModules),
                  names_in(before));
  }
  auto applied = apply(*candidate, attempt, before, cancel);
  // The limit is on uploads: a file that is saved, or a rule, does not hold them up.
  if (applied && !is_patient(upload.kind)) last_reload_[attempt.name] = clock_.steady();
  return applied;
}

Result<Candidate> ReloaderImpl::candidate_of(const Upload& upload, const Result<engine::ModuleInfo>& info,
                                             const std::string& name, const control::Version* current) const {
  std::string config = upload.config.value_or(std::string());
  if (!upload.config && current != nullptr && !current->config_sha256.empty()) {
    auto kept = store_.config_bytes(current->config_sha256);
    if (!kept) return std::unexpected(kept.error());
    config = *std::move(kept);
  }
  if (upload.file) {
    Candidate candidate = make_candidate(name, *upload.file, std::move(config), info.value_or(engine::ModuleInfo{}));
    candidate.label = upload.label;
    if (!info) candidate.problem = info.error();
    if (info && !info->exports_configure && upload.config && !upload.config->empty()) {
      candidate.problem = without_configure(name);
    }
    return candidate;
  }
  if (current == nullptr) return fail(ErrorCode::kUnknownModule, fmt::format("{} serves no version yet", name));
  auto bytes = store_.module_bytes(current->sha256);
  if (!bytes) return std::unexpected(bytes.error());
  auto stored = engine::read_module_info(*bytes);
  if (!stored) return std::unexpected(stored.error());
  Candidate candidate = make_candidate(name, *std::move(bytes), std::move(config), *std::move(stored));
  if (!candidate.info.exports_configure) candidate.problem = without_configure(name);
  return candidate;
}

std::optional<Failure> ReloaderImpl::held_in_quarantine(const Upload& upload, const Attempt& attempt) const {
  if (upload.gates == Gates::kForced) return std::nullopt;
  auto held = ledger_->quarantine(attempt.name, attempt.sha256, attempt.config_sha256);
  if (!held) return about(attempt.name, held.error());
  if (!*held) return std::nullopt;
  const Quarantine& quarantine = **held;
  return about(
      attempt.name,
      {ErrorCode::kQuarantined,
       fmt::format("These bytes with this configuration were taken back automatically at {} as {} ({}); change "
                   "them, or force the reload",
                   quarantine.since, quarantine.label, quarantine.reason)});
}

std::optional<Failure> ReloaderImpl::judged_by_gates(const Upload& upload, const Attempt& attempt) const {
  if (auto held = held_in_quarantine(upload, attempt)) return held;
  const auto last = last_reload_.find(attempt.name);
  const bool limited = upload.gates == Gates::kOn && !is_patient(upload.kind);
  if (!limited || last == last_reload_.end()) return std::nullopt;
  const auto left =
      std::chrono::ceil<std::chrono::seconds>(last->second + config_.max_reload_frequency - clock_.steady());
  if (left.count() <= 0) return std::nullopt;
  Failure failure = about(
      attempt.name, {ErrorCode::kRateLimited, fmt::format("Reloads are limited to one every {} s; try again in {} s",
                                                          config_.max_reload_frequency.count(), left.count())});
  failure.retry_after_seconds = static_cast<std::uint32_t>(left.count());
  return failure;
}

Outcome<ReloadResult> ReloaderImpl::try_out(const Candidate& candidate, Attempt& attempt,
                                            const control::InForce& before, const CancelToken& cancel) {
  auto checked = check(candidate, attempt, before, cancel);
  if (!checked) return std::unexpected(about(attempt.name, checked.error()));
  if (auto refused = judged_by_rehearsal(attempt, *checked, before)) return std::unexpected(*std::move(refused));
  auto label = label_for(candidate);
  if (!label) return std::unexpected(about(attempt.name, label.error()));
  if (is_of_fleet(attempt.upload)) keep_rehearsed(candidate, *checked);
  const control::Slot* slot = before.find(attempt.name);
  const control::Version* current = slot == nullptr ? nullptr : slot->find(attempt.replaces);
  const bool same = current != nullptr && current->sha256 == candidate.sha256 &&
                    current->config_sha256 == candidate.config_sha256 && slot->current == attempt.replaces;
  attempt.stages.total_ms = since_ms(attempt.received);
  ReloadResult result = result_of(candidate, attempt, before, same ? current->label : label->label);
  result.unchanged = same;
  if (!same && current != nullptr) result.previous_version = current->label;  // the one that it would replace
  result.warnings = attempt.warnings;
  std::ranges::copy(checked->report.warnings, std::back_inserter(result.warnings));
  if (!same && !label->warning.empty()) result.warnings.push_back(label->warning);
  return result;
}

void ReloaderImpl::keep_rehearsed(const Candidate& candidate, const Checked& checked) {
  if (!checked.compiled) return;
  if (auto kept = pipeline_.keep_artifact(checked); !kept) {  // it will be compiled again
    spdlog::warn("{}: what was rehearsed of {} is not kept: {}", config_.node_name, candidate.name,
                 kept.error().message);
    return;
  }
  control::Version version;
  version.sha256 = candidate.sha256;
  version.artifact_sha256 = checked.artifact_sha256;
  rehearsed_.versions = {std::move(version)};
}

Outcome<ReloadResult> ReloaderImpl::apply(const Candidate& candidate, Attempt& attempt, const control::InForce& before,
                                          const CancelToken& cancel) {
  auto label = label_for(candidate);
  if (!label) return std::unexpected(about(attempt.name, label.error()));
  attempt.attempted = label->label;
  auto checked = check(candidate, attempt, before, cancel);
  if (!checked) return std::unexpected(fail_attempt(attempt, about(attempt.name, checked.error())));
  if (auto refused = judged_by_rehearsal(attempt, *checked, before)) {
    return std::unexpected(fail_attempt(attempt, *std::move(refused)));
  }
  if (auto refused = forbidden(attempt)) return std::unexpected(*std::move(refused));  // frozen meanwhile
  if (hub_.workers().empty()) return std::unexpected(fail_attempt(attempt, about(attempt.name, no_worker())));
  auto prepared = prepare(candidate, *checked, attempt, before);
  if (!prepared) return std::unexpected(fail_attempt(attempt, about(attempt.name, prepared.error())));
  auto applied = bring_into_force(before, prepared->next, std::move(prepared->intent), attempt, &cancel);
  if (!applied) return std::unexpected(applied.error());

  ReloadResult result = result_of(candidate, attempt, prepared->next, attempt.attempted);
  result.downtime_ms = applied->max_pause_ns / kNsPerMs;
  result.max_pause_us = applied->max_pause_ns / 1000;
  result.requests_during_reload = applied->requests;
  result.workers = applied->workers;
  result.warnings = std::move(prepared->warnings);
  std::ranges::move(applied->warnings, std::back_inserter(result.warnings));
  spdlog::info("{}: Reloaded {} ({}ms downtime)", config_.node_name, result.name, result.downtime_ms);
  return result;
}

ReloadResult ReloaderImpl::result_of(const Candidate& candidate, const Attempt& attempt,
                                     const control::InForce& document, std::string version) const {
  ReloadResult result;
  result.name = candidate.name;
  result.version = std::move(version);
  const control::Slot* slot = document.find(candidate.name);
  if (const control::Version* previous = slot == nullptr ? nullptr : slot->previous_version()) {
    result.previous_version = previous->label;
  }
  result.sha256 = candidate.sha256;
  result.config_sha256 = candidate.config_sha256;
  result.size_bytes = candidate.bytes.size();
  result.generation = document.generation;
  result.workers = workers_at(document.generation);
  result.stages = attempt.stages;
  if (attempt.signature) result.signed_by = attempt.signature->key_id;
  result.measured = attempt.measured;
  return result;
}

}  // namespace secbeat::agent
