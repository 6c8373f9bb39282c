// The start where files are lost or damaged: from the last good state that is left. What was done is in the log, and in
// the history as rows by "start".
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "recovery.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {
// The document in force; where its file cannot be used, what the ledger remembers, else nothing, so that the modules of
// the configuration file are loaded.
Result<control::InForce> ReloaderImpl::found_in_force(Recovery& recovery) {
  auto read = store_.read_in_force();
  if (read) {
    control::InForce found = read->value_or(control::InForce{});
    if (recovery.said.empty() && ledger_->is_new() && !found.slots.empty()) {
      recovery.said = "the ledger was missing, and the history starts anew";
    }
    return found;
  }
  if (read.error().code == ErrorCode::kIo) return std::unexpected(read.error());
  auto place = set_aside(store_.in_force_path());
  if (!place) return std::unexpected(place.error());
  auto remembered = document_of_ledger(*ledger_, store_, config_.keep_previous_versions);
  const bool known = remembered && !remembered->slots.empty();
  recovery.said += fmt::format("{}{}; it is kept as {}, and {}", recovery.said.empty() ? "" : "; ",
                               read.error().message, place->filename().string(),
                               known ? "the versions that the ledger has as the last ones in force are taken"
                                     : "the modules of the configuration file are loaded");
  return known ? *std::move(remembered) : control::InForce{};
}

// What the configuration file names may be just what was lost.
void ReloaderImpl::restore_files(const control::InForce& found, const std::vector<InitialModule>& modules) {
  for (const control::Slot& slot : found.slots) {
    const auto module = std::ranges::find(modules, slot.name, &InitialModule::name);
    if (module == modules.end() || !module->candidate) continue;
    const Candidate& candidate = *module->candidate;
    for (const control::Version& version : slot.versions) {
      Result<void> put;
      if (version.sha256 == candidate.sha256 && !store_.module_bytes(version.sha256)) {
        put = store_.put_module(candidate.sha256, candidate.bytes);
      }
      const bool same_config = !version.config_sha256.empty() && version.config_sha256 == candidate.config_sha256;
      if (put && same_config && !store_.config_bytes(version.config_sha256)) {
        put = store_.put_config(candidate.config_sha256, candidate.config);
      }
      if (!put) spdlog::warn("{} {}: {}", slot.name, version.label, put.error().message);
    }
  }
}

HistoryRow ReloaderImpl::row_of_start(const std::string& kind, const std::string& reason, const std::string& name,
                                      const control::Version& version) const {
  Attempt attempt = new_attempt(kind, reason, {std::string(kByStart), {}});
  attempt.name = name;
  attempt.sha256 = version.sha256;
  attempt.config_sha256 = version.config_sha256;
  HistoryRow row = row_of(attempt);
  row.version = version.label;
  row.from_version = version.label;
  return row;
}

bool ReloaderImpl::replace_lost(control::Slot& slot, const control::Version& lost, const Error& reason, bool named,
                                Recovery& recovery) {
  // What was taken back automatically does not come back by itself.
  const auto good = [&](const control::Version& version) {
    return why_not_by_itself(slot.name, version.sha256, version.config_sha256).empty();
  };
  const auto may_serve = [&](std::uint64_t wanted) {
    const control::Version* version = slot.find(wanted);
    return version != nullptr && good(*version);
  };
  std::uint64_t id = ledger_->previous_id(lost.id);
  for (int steps = 0; id != 0 && !may_serve(id) && steps < kMaxLine; ++steps) id = ledger_->previous_id(id);
  if (!may_serve(id)) {  // out of line, and not none
    const auto any = std::ranges::find_if(slot.versions, good);
    id = any == slot.versions.end() ? 0 : any->id;
  }
  const std::string what = fmt::format("{} is lost: {}", lost.label, reason.message);
  if (const control::Version* found = slot.find(id)) {
    const control::Version back = *found;
    spdlog::error("{} {}; back to {}", slot.name, what, back.label);
    Intent& intent = recovery.intents.emplace_back();
    intent.row = row_of_start("auto_rollback", what, slot.name, back);
    intent.row.from_version = lost.label;
    intent.version_id = back.id;
    intent.counted = Counted::kNo;
    slot = with_current(std::move(slot), back, line(), config_.keep_previous_versions);
    return true;
  }
  HistoryRow& row = recovery.lost.emplace_back(row_of_start("load", "Start", slot.name, lost));
  row.error = named ? what + "; the module of the configuration file is loaded"
                    : fmt::format("{}; requests are decided by on_error = \"{}\" until {} is uploaded again", what,
                                  control::word_of(slot.on_error), slot.name);
  row.code = word_of(reason.code);
  spdlog::error("{} {}", slot.name, row.error);
  if (named) return false;
  slot.versions.insert(slot.versions.begin(), lost);
  return true;
}

void ReloaderImpl::tell_what_was_done(const control::InForce& document, const Recovery& recovery) {
  std::vector<Result<void>> noted;
  for (const HistoryRow& row : recovery.lost) noted.push_back(ledger_->record_failure(row));
  if (!recovery.said.empty()) {
    spdlog::error("{}", recovery.said);
    for (const control::Slot& slot : document.slots) {
      const control::Version* current = slot.current_version();
      if (current == nullptr) continue;
      noted.push_back(
          ledger_->record_event(row_of_start("load", "Start: " + recovery.said, slot.name, *current), current->id));
    }
  }
  for (const auto& result : noted) {
    if (!result) spdlog::warn("this is not in the history: {}", result.error().message);
  }
}

}  // namespace secbeat::agent
