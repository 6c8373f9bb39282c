// What happens at start: the ledger is repaired from what is in force, artifacts that this build does not take are
// compiled again, the settings of the configuration file are put in, and modules that it names and that are not in
// the chain are loaded. Workers that run already are brought there by the hub; others load the file.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "module_names.hpp"
#include "recovery.hpp"
#include "reloader_impl.hpp"
#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

// The modules of the file in its order, then those that were added over the API.
void sort_chain(control::InForce& document, const std::vector<std::string>& config_names) {
  std::vector<control::Slot> sorted;
  sorted.reserve(document.slots.size());
  for (const std::string& name : config_names) {
    if (const control::Slot* slot = document.find(name)) sorted.push_back(*slot);
  }
  for (const control::Slot& slot : document.slots) {
    if (std::ranges::find(config_names, slot.name) == config_names.end()) sorted.push_back(slot);
  }
  document.slots = std::move(sorted);
}

Error ended_early() { return {ErrorCode::kShuttingDown, "the node ends before it has started"}; }

}  // namespace

Result<void> ReloaderImpl::start(const CancelToken& ending, const std::string& said) {
  Recovery recovery{.said = said, .intents = {}, .lost = {}};
  auto read = found_in_force(recovery);
  if (!read) return std::unexpected(read.error());
  const control::InForce found = *std::move(read);
  if (auto repaired = repair(found); !repaired) return repaired;
  fault_point("start.ledger_repaired");
  auto modules = read_initial_modules(config_, found);
  if (!modules) return std::unexpected(modules.error());
  for (const InitialModule& module : *modules) config_names_.push_back(module.name);
  restore_files(found, *modules);
  auto usable = with_usable_versions(found, *modules, recovery, ending);
  if (!usable) return std::unexpected(usable.error());

  control::InForce document = with_settings(*std::move(usable), config_, config_names_);
  for (control::Slot& slot : document.slots) {
    if (const control::Version* current = slot.current_version()) {
      const control::Version version = *current;
      slot = with_current(slot, version, line(), config_.keep_previous_versions);
    } else {
      slot = without_current(slot, config_.keep_previous_versions);
    }
  }
  if (auto checked = check_isolation(document); !checked) return checked;
  const bool frozen = control::freeze_of(scoreboard_.layout().break_glass, unix_ms_of(clock_.now())).has_value();
  if (!frozen || found.slots.empty()) {
    if (auto loaded = load_missing(*modules, document, recovery, ending); !loaded) return loaded;
  }
  sort_chain(document, config_names_);
  if (auto done = put_in_force(found, document, recovery.intents); !done) return done;
  fault_point("start.in_force");
  tell_what_was_done(document, recovery);
  tell_differences(*modules, found);
  tell_unsigned();
  collect_garbage();
  return {};
}

Result<void> ReloaderImpl::repair(const control::InForce& found) {
  const Ledger::Describe describe = [&](const control::Version& version, VersionRow& row) {
    const auto bytes = store_.module_bytes(version.sha256);
    const auto info = bytes ? engine::read_module_info(*bytes) : fail(ErrorCode::kIo, "");
    if (!info) return;
    row.embedded_version = info->embedded_version;
    row.exports_configure = info->exports_configure;
  };
  if (auto repaired = ledger_->repair(found, describe, now_text()); !repaired) return repaired;
  return ledger_->continue_above(numbers_in_use());
}

// The file may ask for another isolation than it did when a module came into force.
Result<void> ReloaderImpl::check_isolation(const control::InForce& document) const {
  for (const control::Slot& slot : document.slots) {
    if (slot.isolation != engine::Isolation::kRequest || slot.current == 0) continue;
    const auto row = ledger_->version(slot.current);
    if (!row) return std::unexpected(row.error());
    if (!row->exports_configure) continue;
    const Error error = configure_for_each_request(fmt::format("{} {}, which is in force,", slot.name, row->label));
    return fail(error.code, fmt::format("{}: {}", config_.file.string(), error.message));
  }
  return {};
}

// Workers and their counters may be older than the ledger, where the data directory was moved aside.
Numbers ReloaderImpl::numbers_in_use() const {
  Numbers seen;
  const control::ScoreboardLayout& layout = scoreboard_.layout();
  for (const std::uint32_t slot : scoreboard_.live_slots()) {
    seen.generation = std::max(seen.generation, layout.workers[slot].generation.load());
  }
  for (const control::WorkerSlot& slot : layout.workers) {
    for (const control::Series& series : slot.series) {
      seen.version_id = std::max(seen.version_id, series.version_id.load());
    }
  }
  // Workers of another user write the scoreboard: nothing that they write may use the numbers up.
  constexpr std::uint64_t kPlausible = std::uint64_t{1} << 48U;
  return {.version_id = std::min(seen.version_id, kPlausible), .generation = std::min(seen.generation, kPlausible)};
}

Result<control::InForce> ReloaderImpl::with_usable_versions(control::InForce document,
                                                            const std::vector<InitialModule>& modules,
                                                            Recovery& recovery, const CancelToken& ending) {
  std::vector<control::Slot> slots;
  for (control::Slot& slot : document.slots) {
    std::vector<control::Version> kept;
    std::optional<std::pair<control::Version, Error>> lost;  // the current one
    for (const control::Version& version : slot.versions) {
      auto good = usable(slot, version, ending);
      if (ending.cancelled()) return std::unexpected(ended_early());
      if (good) {
        kept.push_back(*std::move(good));
      } else if (version.id == slot.current) {
        lost.emplace(version, good.error());
      } else {
        spdlog::warn("{} {} is no longer kept for rollback: {}", slot.name, version.label, good.error().message);
      }
    }
    slot.versions = std::move(kept);
    if (slot.find(slot.previous) == nullptr) slot.previous = 0;
    const auto module = std::ranges::find_if(
        modules, [&](const InitialModule& initial) { return initial.name == slot.name && initial.candidate; });
    bool named = module != modules.end();
    if (named && lost) {
      const std::string why_not =
          why_not_by_itself(slot.name, module->candidate->sha256, module->candidate->config_sha256);
      named = why_not.empty();
      if (!named) lost->second.message += fmt::format("; the module of {}: {}", config_.file.string(), why_not);
    }
    if (!lost || replace_lost(slot, lost->first, lost->second, named, recovery)) slots.push_back(std::move(slot));
  }
  document.slots = std::move(slots);
  return document;
}

std::string ReloaderImpl::why_not_by_itself(std::string_view name, std::string_view sha256,
                                            std::string_view config_sha256) const {
  const auto held = ledger_->quarantine(name, sha256, config_sha256);
  if (!held || !*held) return {};
  return fmt::format(
      "these bytes with this configuration were taken back automatically at {} as {} ({}), and are not "
      "loaded at start; name another file, or force them: secbeat reload FILE --force",
      (*held)->since, (*held)->label, (*held)->reason);
}

// The version with an artifact that this build takes, compiled again where need be.
Result<control::Version> ReloaderImpl::usable(const control::Slot& slot, const control::Version& version,
                                              const CancelToken& ending) {
  if (!version.config_sha256.empty()) {
    if (auto config = store_.config_bytes(version.config_sha256); !config) return std::unexpected(config.error());
  }
  const auto bytes = store_.artifact_bytes(version.artifact_sha256);
  const Result<void> accepted =
      bytes ? parts_.accepts_artifact(*bytes, version.artifact_sha256) : Result<void>(std::unexpected(bytes.error()));
  if (accepted) return version;
  spdlog::warn("{} {} is compiled again: {}", slot.name, version.label, accepted.error().message);
  return recompiled(slot, version, ending);
}

Result<control::Version> ReloaderImpl::recompiled(const control::Slot& slot, control::Version version,
                                                  const CancelToken& cancel) {
  auto bytes = store_.module_bytes(version.sha256);
  if (!bytes) return std::unexpected(bytes.error());
  auto config =
      version.config_sha256.empty() ? Result<std::string>(std::string()) : store_.config_bytes(version.config_sha256);
  if (!config) return std::unexpected(config.error());
  const Candidate candidate = make_candidate(slot.name, *std::move(bytes), *std::move(config), {});
  auto checked = pipeline_.check(candidate, control::InForce{}, cancel, engine::Costing::kSkip);
  if (!checked) return std::unexpected(checked.error());
  auto size = pipeline_.keep(candidate, *checked);
  if (!size) return std::unexpected(size.error());
  version.artifact_sha256 = checked->artifact_sha256;
  if (auto noted = ledger_->set_artifact(version.id, version.artifact_sha256, *size); !noted) {
    return std::unexpected(noted.error());
  }
  return version;
}

Result<void> ReloaderImpl::load_missing(const std::vector<InitialModule>& modules, control::InForce& document,
                                        Recovery& recovery, const CancelToken& ending) {
  for (const InitialModule& module : modules) {
    if (!module.candidate || document.find(module.name) != nullptr) continue;
    if (const std::string why_not =
            why_not_by_itself(module.name, module.candidate->sha256, module.candidate->config_sha256);
        !why_not.empty()) {
      control::Version refused;
      refused.sha256 = module.candidate->sha256;
      refused.config_sha256 = module.candidate->config_sha256;
      HistoryRow& row = recovery.lost.emplace_back(row_of_start("load", "Start", module.name, refused));
      row.error = why_not;
      row.code = word_of(ErrorCode::kQuarantined);
      spdlog::error("{} of {} has no version: {}", module.name, config_.file.string(), why_not);
      continue;
    }
    Attempt attempt{.name = module.name,
                    .kind = "load",
                    .reason = "Start",
                    .origin = {std::string(kByStart), {}},
                    .received = clock_.steady(),
                    .requests_at_receipt = 0,
                    .stages = {},
                    .attempted = {},
                    .sha256 = module.candidate->sha256,
                    .config_sha256 = module.candidate->config_sha256,
                    .gates = Gates::kOn,
                    .measured = {},
                    .replaces = 0};
    auto vouched = check_vouched(*module.candidate, module.signature, attempt);
    auto checked = vouched ? check(*module.candidate, attempt, document, ending)
                           : Result<Checked>(std::unexpected(vouched.error()));
    if (ending.cancelled()) return std::unexpected(ended_early());
    if (checked) attempt.measured = {checked->report.cost, compare(checked->report.inventory, Replaced{})};
    auto prepared = checked ? prepare(*module.candidate, *checked, attempt, document)
                            : Result<Prepared>(std::unexpected(checked.error()));
    if (!prepared) {
      return fail(prepared.error().code, fmt::format("the module {} of {} cannot be loaded: {}", module.name,
                                                     config_.file.string(), prepared.error().message));
    }
    for (const std::string& warning : prepared->warnings) spdlog::warn("{}: {}", module.name, warning);
    Intent& intent = prepared->intent;
    const Finish finish = finish_of(attempt, 0);
    intent.row.version = intent.label.label;
    intent.row.attempted_version.clear();
    intent.row.stages = finish.stages;
    intent.row.duration_ms = finish.duration_ms;
    intent.counted = Counted::kNo;
    recovery.intents.push_back(std::move(intent));
    document = std::move(prepared->next);
  }
  return {};
}

Result<void> ReloaderImpl::put_in_force(const control::InForce& found, control::InForce document,
                                        std::vector<Intent>& intents) {
  document.generation = found.generation;
  const auto on_disk = store_.read_in_force();  // where it was unusable, the one that was found is nowhere
  if (document == found && on_disk && (*on_disk || found.slots.empty())) {
    if (!found.slots.empty()) hub_.set_target(found);
    remember(found);
    return {};
  }
  const auto numbers = reserve(found);
  if (!numbers && !ledger_->is_in_memory()) return std::unexpected(numbers.error());
  if (!numbers) {  // the disk takes nothing: what the file says stays, and the log says why
    spdlog::error("what the configuration file asks for waits: {}", numbers.error().message);
    if (!found.slots.empty()) hub_.set_target(found);
    remember(found);
    return {};
  }
  document.generation = numbers->generation;
  for (Intent& intent : intents) intent.row.generation = document.generation;
  auto rows = committer_.put_in_force(found, document, intents);
  if (!rows) return std::unexpected(rows.error().failure.error);
  remember(document);
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const HistoryRow& row = intents[i].row;
    const Finish finish{row.duration_ms, row.requests_during_reload, row.stages};
    if (auto noted = ledger_->succeed((*rows)[i], finish); !noted) return noted;
    spdlog::info("{}: {} {} {}", config_.node_name, row.kind == "load" ? "Loaded" : "Went back with", row.name,
                 row.version);
  }
  return {};
}

void ReloaderImpl::tell_differences(const std::vector<InitialModule>& modules, const control::InForce& found) const {
  for (const control::Slot& slot : found.slots) {
    const auto module = std::ranges::find(modules, slot.name, &InitialModule::name);
    const control::Version* current = slot.current_version();
    const Candidate* candidate = module == modules.end() || !module->candidate ? nullptr : &*module->candidate;
    if (slot.is_removed()) {
      if (module == modules.end()) continue;
      spdlog::info("{} is named in {} and was removed while the node ran; it stays removed, roll it back or upload it",
                   slot.name, config_.file.string());
    } else if (module == modules.end()) {
      spdlog::info("{} is in force and not named in {}: it was added while the node ran", slot.name,
                   config_.file.string());
    } else if (candidate == nullptr) {
      spdlog::warn("The files of {} are not needed now and cannot be used: {}", slot.name, module->problem);
    } else if (current != nullptr &&
               (current->sha256 != candidate->sha256 || current->config_sha256 != candidate->config_sha256)) {
      spdlog::info(
          "{}: {} is in force and differs from the {} in {}; what is in force stays, upload the file to "
          "change it",
          slot.name, current->label, current->sha256 != candidate->sha256 ? "module" : "configuration",
          config_.file.string());
    }
  }
}

Result<std::unique_ptr<Reloader>> open_reloader_with(const Config& config, control::Scoreboard& scoreboard,
                                                     WorkerHub& hub, const Clock& clock, EngineParts parts,
                                                     const CancelToken& ending) {
  auto store = VersionStore::open(config.data_dir);
  if (!store) return std::unexpected(store.error());
  auto usable = open_usable_ledger(store->ledger_path());
  if (!usable) return std::unexpected(usable.error());
  auto reloader = std::make_unique<ReloaderImpl>(config, scoreboard, hub, clock, std::move(parts),
                                                 std::move(usable->ledger), *std::move(store));
  if (auto started = reloader->start(ending, usable->said); !started) return std::unexpected(started.error());
  return reloader;
}

}  // namespace secbeat::agent
