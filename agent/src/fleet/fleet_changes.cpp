#include "fleet_changes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "secbeat/base/files.hpp"
#include "secbeat/fleet/contents.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;
constexpr std::uint32_t kRowsLookedAt = 1000;  // of a module's history, for those of a rollout

struct Wanted {
  std::string_view what;
  const std::string& sha256;
  std::uint64_t size = 0;
  std::size_t limit = 0;
};

Result<std::string> object(fleet::Connection& connection, const Wanted& wanted) {
  auto bytes = fleet::get_content(connection, wanted.sha256, wanted.limit);
  if (!bytes || bytes->size() == wanted.size) return bytes;
  return fail(ErrorCode::kProtocol, fmt::format("what the fleet keeps as {} {} are other bytes: {}, and {} are wanted",
                                                wanted.what, wanted.sha256, bytes->size(), wanted.size));
}

// A row of the order's own rollout: whether it is its end. A version that was here before is brought by a rollback too.
bool took_back(const HistoryRow& row, const fleet::Order& order) {
  return row.kind == "remove" || (row.kind == "rollback" && row.version != order.version.label);
}

std::string following(std::uint64_t revision) { return fmt::format("desired-{}", revision); }

ReachedRevision ahead_by(const fleet::Order& order) {
  return {.revision = order.revision,
          .ahead = true,
          .sha256 = order.version.sha256,
          .config_sha256 = order.version.config_sha256,
          .rollout = order.rollout};
}

}  // namespace

Result<FleetChanges::Bytes> FleetChanges::fetch(const fleet::VersionRef& version) {
  {
    const std::scoped_lock lock(mutex_);
    if (staged_ && staged_->version == version) return staged_->bytes;
  }
  Bytes bytes;
  auto module = object(connection_, {"module", version.sha256, version.size_bytes, config_.max_module_bytes});
  if (!module) return std::unexpected(module.error());
  bytes.module = *std::move(module);
  if (version.config_sha256.empty()) return bytes;
  auto config =
      object(connection_, {"configuration", version.config_sha256, version.config_size_bytes, kMaxConfigBytes});
  if (!config) return std::unexpected(config.error());
  bytes.config = *std::move(config);
  return bytes;
}

Result<ReloadResult> FleetChanges::apply(const fleet::Order& order, Bytes bytes, Mode mode) const {
  Upload upload;
  upload.kind = order.edits_rules ? UploadKind::kFleetRules : UploadKind::kFleet;
  upload.mode = mode;
  upload.gates = order.forced ? Gates::kForced : Gates::kOn;
  upload.file = std::move(bytes.module);
  upload.config = std::move(bytes.config);
  upload.name = order.module;
  if (!order.expected_version.empty()) upload.expected_version = order.expected_version;
  upload.reason = order.reason;
  upload.origin = {.by = order.by, .request_id = order.rollout};
  upload.label = order.version.label;
  if (!order.version.signature.empty()) upload.signature = order.version.signature;
  auto result = reloader_.reload(upload);
  if (!result) return std::unexpected(result.error().error);
  return *std::move(result);
}

std::optional<HistoryRow> FleetChanges::last_by(const std::string& module, std::string_view request_id) const {
  const auto rows = reloader_.history(module, Page{.limit = kRowsLookedAt, .before = {}});
  if (!rows) return std::nullopt;  // there never was such a module
  const auto found =
      std::ranges::find_if(*rows, [&](const HistoryRow& row) { return row.success && row.request_id == request_id; });
  return found == rows->end() ? std::nullopt : std::optional(*found);
}

std::optional<HistoryRow> FleetChanges::last_of(const fleet::Order& order) const {
  return last_by(order.module, order.rollout);
}

// Of a node that was out of reach of the rollout, and has come to its version by what is desired.
std::optional<HistoryRow> FleetChanges::followed(const fleet::Order& order) const {
  auto row = last_by(order.module, following(order.revision));
  return row && row->version == order.version.label ? row : std::nullopt;
}

// Where the version serves already, nothing changes.
Result<void> FleetChanges::may_change(const fleet::Order& order) const {
  const auto view = reloader_.version(order.module);
  if (view && view->version == order.version.label && view->sha256 == order.version.sha256) return {};
  return may_change();
}

Result<void> FleetChanges::may_change() const {
  if (!config_.hot_reload_enabled) return fail(ErrorCode::kHotReloadDisabled, "Hot reload is disabled");
  const auto frozen = control::freeze_of(scoreboard_.layout().break_glass, unix_ms_of(clock_.now()));
  return frozen ? fail(ErrorCode::kFrozen, frozen_sentence(*frozen)) : Result<void>();
}

std::string FleetChanges::serving(const std::string& module) const {
  const auto view = reloader_.version(module);
  return view ? view->version : std::string();
}

bool FleetChanges::was_here(const fleet::Order& order) const {
  const auto known = reloader_.versions(order.module, Page{.limit = kRowsLookedAt, .before = {}});
  return known && std::ranges::any_of(known->versions, [&](const KnownVersion& version) {
           // Not one that was taken back automatically, nor one that left the window.
           const bool is_loaded = version.state == "serving" || version.state == "previous" || version.state == "kept";
           return is_loaded && version.version == order.version.label && version.sha256 == order.version.sha256 &&
                  version.config_sha256 == order.version.config_sha256;
         });
}

Result<FleetChange> FleetChanges::bring_known(const fleet::Order& order) const {
  if (serving(order.module) == order.version.label) return FleetChange{.unchanged = true};
  Rollback rollback;
  rollback.name = order.module;
  rollback.to_version = order.version.label;
  if (!order.reason.empty()) rollback.reason = order.reason;
  rollback.origin = {.by = order.by, .request_id = order.rollout};
  const auto done = reloader_.rollback(rollback);
  if (!done) return std::unexpected(done.error().error);
  return FleetChange{.downtime_ms = done->downtime_ms};
}

Result<FleetChange> FleetChanges::bring_new(const fleet::Order& order, Bytes bytes) const {
  const auto result = apply(order, std::move(bytes), Mode::kApply);
  if (!result) return std::unexpected(result.error());
  return FleetChange{.downtime_ms = result->downtime_ms, .unchanged = result->unchanged};
}

// A label means the same version for ever: one that was here before is brought back, which needs no compile.
Result<FleetChange> FleetChanges::bring(const fleet::Order& order, Bytes bytes, ReachedRevision reached) const {
  auto change = was_here(order) ? bring_known(order) : bring_new(order, std::move(bytes));
  if (!change) return change;
  if (auto kept = reached_.set(order.module, std::move(reached)); !kept) return std::unexpected(kept.error());
  return change;
}

Result<FleetChange> FleetChanges::stage(const fleet::Order& order) {
  if (auto may = may_change(order); !may) return std::unexpected(may.error());  // it would not swap
  auto bytes = fetch(order.version);
  if (!bytes) return std::unexpected(bytes.error());
  const auto result = apply(order, *bytes, Mode::kDryRun);
  if (!result) return std::unexpected(result.error());
  const std::scoped_lock lock(mutex_);
  staged_ = {.version = order.version, .bytes = *std::move(bytes)};
  return FleetChange{.unchanged = result->unchanged};
}

Result<FleetChange> FleetChanges::commit(const fleet::Order& order) {
  const std::scoped_lock lock(turn_);
  if (const auto done = last_of(order)) {
    const std::string now = serving(order.module);
    if (!took_back(*done, order) && now == done->version) {
      auto kept = reached_.set(order.module, ahead_by(order));
      return kept ? Result<FleetChange>(FleetChange{}) : std::unexpected(kept.error());
    }
    return fail(ErrorCode::kVersionConflict, fmt::format("rollout {} has changed {} here already, and {} serves since",
                                                         order.rollout, order.module, now.empty() ? "nothing" : now));
  }
  if (reached_.was_reverted(order.rollout)) {
    return fail(ErrorCode::kVersionConflict,
                fmt::format("rollout {} was taken back before it was committed here", order.rollout));
  }
  // A version that is kept comes back as by a rollback, which a freeze does not hold up: only what is one may.
  if (auto may = may_change(order); !may && !order.rollback) return std::unexpected(may.error());
  const ReachedRevision before = reached_.of(order.module);
  if (before.ahead && order.revision < before.revision) {
    return fail(ErrorCode::kVersionConflict, fmt::format("{} has reached revision {} here, which is newer than {}",
                                                         order.module, before.revision, order.revision));
  }
  auto bytes = fetch(order.version);
  if (!bytes) return std::unexpected(bytes.error());
  return bring(order, *std::move(bytes), ahead_by(order));
}

Result<FleetChange> FleetChanges::bring_back(const fleet::Order& order, const HistoryRow& commit) const {
  const std::string reason = fmt::format("Rollout {} is reverted: {}", order.rollout, order.reason);
  const Origin origin{.by = order.by, .request_id = order.rollout};
  if (commit.from_version.empty()) {  // nothing served before
    const auto removed = reloader_.remove({.name = order.module,
                                           .expected_version = commit.version,
                                           .reason = reason,
                                           .origin = origin,
                                           .takes_back = true});
    if (!removed) return std::unexpected(removed.error().error);
    return FleetChange{.downtime_ms = removed->downtime_ms};
  }
  Rollback rollback;
  rollback.name = order.module;
  rollback.to_version = commit.from_version;
  rollback.reason = reason;
  rollback.origin = origin;
  rollback.still_wanted = [&] { return serving(order.module) == commit.version; };
  const auto done = reloader_.rollback(rollback);
  if (!done) return std::unexpected(done.error().error);
  return FleetChange{.downtime_ms = done->downtime_ms};
}

Result<FleetChange> FleetChanges::revert(const fleet::Order& order) {
  const std::scoped_lock lock(turn_);
  auto last = last_of(order);
  if (!last) {
    if (auto noted = reached_.note_revert(order.rollout); !noted) return std::unexpected(noted.error());
    last = followed(order);
  }
  const bool serves = last && !last->version.empty() && serving(order.module) == last->version;
  FleetChange change{.unchanged = true};
  if (serves && !took_back(*last, order)) {
    auto done = bring_back(order, *last);
    if (!done) return done;
    change = *done;
  } else if (last && took_back(*last, order)) {
    change.unchanged = false;  // it was asked before
  }
  // The version of this revision is wanted no more, and must not come back by it.
  const ReachedRevision before = reached_.of(order.module);
  if (!change.unchanged || before.rollout == order.rollout) {
    auto kept = reached_.set(order.module, {.revision = std::max(before.revision, order.revision)});
    if (!kept) return std::unexpected(kept.error());
  }
  return change;
}

Result<FleetChange> FleetChanges::follow(const fleet::DesiredModule& wanted) {
  const auto reached = [&] { return wanted.revision <= reached_.of(wanted.name).revision; };
  if (reached()) return FleetChange{.unchanged = true};
  if (auto may = may_change(); !may) return std::unexpected(may.error());
  auto bytes = fetch(wanted.version);
  if (!bytes) return std::unexpected(bytes.error());
  const std::scoped_lock lock(turn_);
  if (reached()) return FleetChange{.unchanged = true};  // by an order meanwhile
  const fleet::Order order{.rollout = following(wanted.revision),
                           .module = wanted.name,
                           .version = wanted.version,
                           .revision = wanted.revision,
                           .reason = fmt::format("Desired revision {} of the fleet", wanted.revision),
                           .by = "fleet"};
  auto change = bring(
      order, *std::move(bytes),
      {.revision = wanted.revision, .sha256 = wanted.version.sha256, .config_sha256 = wanted.version.config_sha256});
  if (change) {
    spdlog::info("fleet: {} follows desired revision {}: {}", wanted.name, wanted.revision, wanted.version.label);
  }
  return change;
}

}  // namespace secbeat::agent
