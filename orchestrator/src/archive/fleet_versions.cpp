#include "fleet_versions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <tuple>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::string_view kDesiredFolder = "fleet/desired";
constexpr int kMostOfOneRevision = 100;  // fleets that have lost their NATS and began anew
constexpr std::size_t kDigits = 20;      // so that names sort as revisions do

std::string desired_key(std::uint64_t revision, int number) {
  const std::string more = number == 1 ? "" : fmt::format("~{}", number);
  return fmt::format("{}/{:020}{}.json", kDesiredFolder, revision, more);
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<ArchivedDesired> desired_at(const std::string& key) {
  const std::string start = fmt::format("{}/", kDesiredFolder);
  std::string_view name = key;
  if (!name.starts_with(start) || !name.ends_with(".json")) return std::nullopt;
  name.remove_prefix(start.size());
  name.remove_suffix(std::string_view(".json").size());
  if (name.size() < kDigits) return std::nullopt;
  const auto revision = number_in<std::uint64_t>(name.substr(0, kDigits));
  std::string_view rest = name.substr(kDigits);
  if (!revision) return std::nullopt;
  if (rest.empty()) return ArchivedDesired{key, *revision, 1};
  if (!rest.starts_with('~')) return std::nullopt;
  rest.remove_prefix(1);
  const auto number = number_in<int>(rest);
  if (!number || *number < 2) return std::nullopt;
  return ArchivedDesired{key, *revision, *number};
}

fleet::VersionRef version_of(const archive::Manifest& manifest) {
  const archive::ForceRecord& record = manifest.record;
  return {.label = record.label,
          .sha256 = record.sha256,
          .size_bytes = record.size_bytes,
          .config_sha256 = record.config_sha256,
          .config_size_bytes = manifest.config_size_bytes,
          .signature = record.signature};
}

archive::InForceTime time_of(const fleet::Rollout& rollout) {
  const std::string_view kind = rollout.kind == fleet::RolloutKind::kRollback ? "rollback" : "reload";
  return {.since = rollout.ended_at,
          .generation = rollout.order.revision,
          .kind = std::string(rollout.state == fleet::RolloutState::kDone ? kind : fleet::word_of(rollout.state)),
          .reason = rollout.order.reason,
          .by = rollout.order.by,
          .request_id = rollout.order.rollout};
}

}  // namespace

bool has_reached_a_node(const fleet::Rollout& rollout) {
  return std::ranges::any_of(rollout.waves, [](const fleet::Wave& wave) { return !wave.begun_at.empty(); });
}

std::vector<archive::Manifest> manifests_of(const std::vector<fleet::Rollout>& rollouts) {
  std::map<std::tuple<std::string, std::string, std::string, std::string>, archive::Manifest> manifests;
  for (const fleet::Rollout& rollout : rollouts) {
    if (!has_ended(rollout.state) || !has_reached_a_node(rollout)) continue;
    const fleet::Order& order = rollout.order;
    archive::Manifest& manifest =
        manifests[{order.module, order.version.label, order.version.sha256, order.version.config_sha256}];
    archive::ForceRecord& record = manifest.record;
    manifest.node = kFleetAsNode;
    manifest.config_size_bytes = order.version.config_size_bytes;
    record.module = order.module;
    record.label = order.version.label;
    record.sha256 = order.version.sha256;
    record.size_bytes = order.version.size_bytes;
    record.config_sha256 = order.version.config_sha256;
    if (record.signature.empty()) record.signature = order.version.signature;
    if (record.created_at.empty() || rollout.begun_at < record.created_at) record.created_at = rollout.begun_at;
    record.times.push_back(time_of(rollout));
  }
  std::vector<archive::Manifest> all;
  for (auto& [key, manifest] : manifests) {
    std::ranges::sort(manifest.record.times, {},
                      [](const auto& time) { return std::tie(time.since, time.generation); });
    all.push_back(std::move(manifest));
  }
  return all;
}

std::map<std::string, fleet::Running> given_in(const std::vector<archive::Manifest>& manifests) {
  std::vector<std::pair<archive::InForceTime, const archive::Manifest*>> newest_first;
  for (const archive::Manifest& manifest : manifests) {
    if (manifest.node != kFleetAsNode || manifest.record.times.empty()) continue;
    newest_first.emplace_back(manifest.record.times.back(), &manifest);
  }
  std::ranges::sort(newest_first, std::ranges::greater{},
                    [](const auto& one) { return std::tie(one.first.generation, one.first.since); });
  std::map<std::string, fleet::Running> all;
  for (const auto& [time, manifest] : newest_first) {
    const archive::ForceRecord& record = manifest->record;
    if (!fleet::is_key(record.module) || !fleet::is_key(time.request_id)) continue;
    fleet::Running& running = all[record.module];
    if (running.rollout.empty()) running.rollout = time.request_id;
    running.revision = std::max(running.revision, time.generation);
    if (running.given.size() < fleet::kMostGiven) running.given.push_back(version_of(*manifest));
  }
  return all;
}

Result<std::vector<ArchivedDesired>> archived_desired(archive::Storage& storage) {
  const auto files = storage.list(std::string(kDesiredFolder));
  if (!files) return std::unexpected(files.error());
  std::vector<ArchivedDesired> all;
  for (const archive::StoredFile& file : *files) {
    auto found = desired_at(file.key);
    if (!found) continue;
    found->modified = file.modified;
    all.push_back(*std::move(found));
  }
  std::ranges::sort(all, {}, [](const ArchivedDesired& one) { return std::tie(one.revision, one.number); });
  return all;
}

Result<void> put_desired(archive::Storage& storage, const fleet::Desired& desired) {
  const std::string text = to_json(desired);
  for (int number = 1; number <= kMostOfOneRevision; ++number) {
    const std::string key = desired_key(desired.revision, number);
    const auto there = storage.get(key, fleet::kMaxDocumentBytes);
    if (there && *there == text) return {};
    if (there || there.error().code == ErrorCode::kTooLarge) continue;
    if (there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    return storage.put(key, text);
  }
  return fail(ErrorCode::kIo, fmt::format("{} has more than {} desired states of revision {}", storage.place(),
                                          kMostOfOneRevision, desired.revision));
}

Result<fleet::Desired> read_desired_at(archive::Storage& storage, const ArchivedDesired& where) {
  const auto text = storage.get(where.key, fleet::kMaxDocumentBytes);
  if (!text) return std::unexpected(text.error());
  auto desired = fleet::desired_from_json(*text);
  if (desired && desired->revision == where.revision) return desired;
  return fail(ErrorCode::kProtocol, fmt::format("{}/{}: {}", storage.place(), where.key,
                                                desired ? "it is of another revision" : desired.error().message));
}

}  // namespace secbeat::orchestrator
