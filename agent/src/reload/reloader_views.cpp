// Questions that change nothing.
#include <fmt/format.h>

#include <algorithm>

#include "module_names.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {
namespace {

constexpr std::uint32_t kMaxPage = 1000;
constexpr std::size_t kSha256Hex = 64;

std::string state_of(const VersionRow& row, const std::optional<Quarantine>& quarantine,
                     const control::InForce& in_force, const VersionStore& store) {
  const control::Slot* slot = in_force.find(row.name);
  if (slot != nullptr && slot->current == row.id) return "serving";
  if (quarantine) return "quarantined";
  if (slot != nullptr && slot->find(row.id) != nullptr) {
    return slot->previous == row.id ? "previous" : "kept";
  }
  return store.has_module(row.sha256) ? "stored" : "removed";
}

std::unexpected<Failure> from(Error error) { return refuse(error.code, std::move(error.message)); }

}  // namespace

control::InForce ReloaderImpl::in_force() const {
  const std::lock_guard lock(mutex_);
  return in_force_;
}

std::string ReloaderImpl::label_of(std::uint64_t version_id) const {
  {
    const std::lock_guard lock(mutex_);
    for (const control::Slot& slot : in_force_.slots) {
      if (const control::Version* version = slot.find(version_id)) return version->label;
    }
  }
  auto row = ledger_->version(version_id);
  return row ? row->label : std::string();
}

bool ReloaderImpl::ready() const {
  const control::InForce now = in_force();
  if (std::ranges::none_of(now.slots, [](const control::Slot& slot) { return slot.current != 0; })) return false;
  const std::vector<WorkerStatus> workers = hub_.workers();
  // In the middle of a commit a worker may be ahead of what all have acknowledged.
  return !workers.empty() && std::ranges::all_of(workers, [&](const WorkerStatus& worker) {
    return worker.connected && worker.generation >= now.generation;
  });
}

Outcome<VersionView> ReloaderImpl::version(const std::optional<std::string>& name) const {
  const control::InForce now = in_force();
  auto slot = find_in_chain(now, config_names_, name);
  if (!slot) return std::unexpected(slot.error());
  return view_of(*slot, now, hub_.workers());
}

std::vector<VersionView> ReloaderImpl::modules() const {
  const control::InForce now = in_force();
  const std::vector<WorkerStatus> workers = hub_.workers();
  std::vector<VersionView> views;
  views.reserve(now.slots.size());
  for (const control::Slot& slot : now.slots) {
    if (!slot.is_removed()) views.push_back(view_of(slot, now, workers));
  }
  return views;
}

VersionView ReloaderImpl::view_of(const control::Slot& slot, const control::InForce& document,
                                  const std::vector<WorkerStatus>& workers) const {
  VersionView view;
  view.name = slot.name;
  view.generation = document.generation;
  if (const control::Version* current = slot.current_version()) {
    view.version = current->label;
    view.loaded_at = current->loaded_at;
    view.size_bytes = current->size_bytes;
    view.sha256 = current->sha256;
    view.config_sha256 = current->config_sha256;
    if (auto row = ledger_->version(current->id); row) view.embedded_version = row->embedded_version;
  }
  if (const control::Version* previous = slot.previous_version()) view.previous_version = previous->label;
  for (const control::Version& version : slot.versions) {
    if (version.id != slot.current) view.kept.push_back(version.label);
  }
  for (const WorkerStatus& worker : workers) {
    const SystemTime since{std::chrono::milliseconds(worker.serving_since_unix_ms)};
    view.workers.push_back({.pid = worker.pid,
                            .version = label_at(worker.generation, slot.name, document),
                            .generation = worker.generation,
                            .since = rfc3339(since)});
  }
  return view;
}

std::string ReloaderImpl::label_at(std::uint64_t generation, std::string_view name,
                                   const control::InForce& document) const {
  if (generation == document.generation) return current_label(document, name).value_or(std::string());
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(earlier_, generation, &control::InForce::generation);
  return found == earlier_.end() ? std::string() : current_label(*found, name).value_or(std::string());
}

Outcome<std::vector<HistoryRow>> ReloaderImpl::history(const std::optional<std::string>& name, Page page) const {
  page.limit = std::clamp(page.limit, std::uint32_t{1}, kMaxPage);
  if (name && name->empty()) {  // rows of what is about no module have none
    if (auto known = find_module(in_force(), config_names_, name); !known) return std::unexpected(known.error());
  }
  auto rows = ledger_->history(name, page);
  if (!rows) return from(rows.error());
  if (rows->empty() && name) {
    // Nothing on this page; a module that nobody has ever tried to load is a mistake of the caller.
    auto any = ledger_->history(name, Page{.limit = 1, .before = std::nullopt});
    if (any && any->empty()) {
      if (auto known = find_module(in_force(), config_names_, name); !known) return std::unexpected(known.error());
    }
  }
  return *std::move(rows);
}

Outcome<KnownVersions> ReloaderImpl::versions(const std::optional<std::string>& name, Page page) const {
  const control::InForce now = in_force();
  page.limit = std::clamp(page.limit, std::uint32_t{1}, kMaxPage);
  auto rows = ledger_->versions(name, page);
  if (!rows) return from(rows.error());
  const auto total = ledger_->count_versions(name);
  if (!total) return from(total.error());
  if (*total == 0 && name) {
    if (auto module = find_module(now, config_names_, name); !module) return std::unexpected(module.error());
  }
  KnownVersions known{.versions = {}, .total = *total};
  for (VersionRow& row : *rows) {
    auto held = ledger_->quarantine(row.name, row.sha256, row.config_sha256);
    if (!held) return from(held.error());
    Quarantine quarantine = held->value_or(Quarantine{});
    const auto signature = ledger_->signature(row.name, row.sha256);
    if (!signature) return from(signature.error());
    const SignatureRow vouched = signature->value_or(SignatureRow{});
    std::string state = state_of(row, *held, now, store_);
    known.versions.push_back({.id = static_cast<std::int64_t>(row.id),
                              .name = std::move(row.name),
                              .version = std::move(row.label),
                              .sha256 = std::move(row.sha256),
                              .config_sha256 = std::move(row.config_sha256),
                              .size_bytes = row.size_bytes,
                              .created_at = std::move(row.created_at),
                              .state = std::move(state),
                              .quarantined_at = std::move(quarantine.since),
                              .quarantine_reason = std::move(quarantine.reason),
                              .signature = vouched.text,
                              .signed_by = vouched.key_id});
  }
  return known;
}

std::vector<CostInForce> ReloaderImpl::costs() const {
  std::vector<CostInForce> costs;
  for (const control::Slot& slot : in_force().slots) {
    const control::Version* current = slot.current_version();
    if (current == nullptr) continue;
    const auto measures = ledger_->measures(current->id);
    if (measures && measures->cost) costs.push_back({slot.name, current->label, measures->cost->fuel});
  }
  return costs;
}

Result<void> ReloaderImpl::lift_quarantine(std::string_view name, std::uint64_t version_id) {
  auto row = ledger_->version(version_id);
  if (!row) return std::unexpected(row.error());
  return ledger_->lift_quarantine(name, row->sha256, row->config_sha256);
}

Outcome<std::string> ReloaderImpl::module_bytes(std::string_view sha256) const {
  const bool hex = sha256.size() == kSha256Hex && sha256.find_first_not_of("0123456789abcdef") == sha256.npos;
  if (!hex) return refuse(ErrorCode::kBadRequest, "A SHA-256 is 64 lower-case hexadecimal digits");
  if (!store_.has_module(sha256)) {
    return refuse(ErrorCode::kUnknownVersion,
                  fmt::format("No module with the SHA-256 {} is kept on this node", sha256));
  }
  auto bytes = store_.module_bytes(sha256);
  if (!bytes) return from(bytes.error());
  return *std::move(bytes);
}

Outcome<std::string> ReloaderImpl::config_bytes(std::string_view sha256) const {
  if (sha256.empty()) return std::string();
  auto bytes = store_.config_bytes(sha256);
  if (!bytes) return from(bytes.error());
  return *std::move(bytes);
}

std::vector<ReloadTotals> ReloaderImpl::totals() const {
  const control::InForce now = in_force();
  auto totals = ledger_->totals().value_or(std::vector<ReloadTotals>());
  std::erase_if(totals, [&](const ReloadTotals& total) {
    return total.module != kOtherModules && now.find(total.module) == nullptr;
  });
  for (const control::Slot& slot : now.slots) {
    if (std::ranges::find(totals, slot.name, &ReloadTotals::module) == totals.end()) {
      totals.push_back(
          {.module = slot.name, .finished = 0, .failed = 0, .last_duration_seconds = 0, .last_stages = {}});
    }
  }
  return totals;
}

}  // namespace secbeat::agent
