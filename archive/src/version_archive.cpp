#include "secbeat/archive/version_archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <tuple>

#include "archive_names.hpp"
#include "secbeat/base/content_file.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::archive {
namespace {

constexpr int kMostOfOneLabel = 1000;  // ledgers that one node has lost
constexpr std::string_view kManifests = "manifests";

bool same_version(const Manifest& a, const Manifest& b) {
  const auto key = [](const Manifest& m) {
    return std::tie(m.node, m.record.module, m.record.label, m.record.sha256, m.record.config_sha256);
  };
  return key(a) == key(b);
}

// Of the same request: a rollout that was done and is taken back later is told once, as what became of it.
bool same_time(const InForceTime& a, const InForceTime& b) {
  const bool same_request = !a.request_id.empty() && a.request_id == b.request_id;
  return a.generation == b.generation && (a.since == b.since || same_request);
}

// `manifest` with what `newer` has beyond it: times, oldest first, and a signature where it has none.
Manifest merged(Manifest manifest, const Manifest& newer) {
  std::vector<InForceTime>& times = manifest.record.times;
  for (const InForceTime& time : newer.record.times) {
    const auto there = std::ranges::find_if(times, [&](const InForceTime& other) { return same_time(other, time); });
    if (there == times.end()) {
      times.push_back(time);
    } else {
      *there = time;
    }
  }
  if (manifest.record.signature.empty()) manifest.record.signature = newer.record.signature;
  std::ranges::sort(times, {}, [](const InForceTime& time) { return std::tie(time.since, time.generation); });
  if (times.size() > kMaxManifestTimes) {
    times.erase(times.begin(), times.end() - static_cast<std::ptrdiff_t>(kMaxManifestTimes));
  }
  return manifest;
}

// The manifest at manifests/<module>/<name>.
Result<Manifest> manifest_at(Storage& storage, const std::string& key) {
  auto text = storage.get(key, kMaxManifestBytes);
  if (!text) return std::unexpected(text.error());
  auto manifest = manifest_from_json(*text);
  if (!manifest) return manifest;
  const ForceRecord& record = manifest->record;
  const std::string folder = fmt::format("{}/{}/", kManifests, record.module);
  if (!key.starts_with(folder) || !is_manifest_name(key.substr(folder.size()), record.label, manifest->node)) {
    return fail(ErrorCode::kProtocol, fmt::format("it is the manifest of {} {} on {}, which has another name",
                                                  record.module, record.label, manifest->node));
  }
  return manifest;
}

Result<std::string> content_at(Storage& storage, const std::string& key, std::string_view sha256, std::size_t limit) {
  auto bytes = storage.get(key, limit);
  if (bytes && sha256_hex(*bytes) != sha256) {
    return fail(ErrorCode::kIo,
                fmt::format("{}/{} is damaged: its content is not what its name says", storage.place(), key));
  }
  return bytes;
}

Result<void> put_content(Storage& storage, const std::string& key, std::string_view sha256, std::string_view bytes) {
  if (!is_sha256(sha256) || sha256_hex(bytes) != sha256) {
    return fail(ErrorCode::kBadRequest, fmt::format("the content does not have the SHA-256 {}", sha256));
  }
  if (storage.holds(key, sha256, bytes.size())) return {};
  return storage.put(key, bytes);
}

std::unexpected<Error> no_hash() {
  return fail(ErrorCode::kBadRequest, "A SHA-256 is 64 lower-case hexadecimal digits");
}

}  // namespace

std::string module_key(std::string_view sha256) { return fmt::format("modules/{}.wasm", sha256); }
std::string config_key(std::string_view sha256) { return fmt::format("configs/{}.json", sha256); }

Result<std::string> VersionArchive::module_bytes(std::string_view sha256) const {
  if (!is_sha256(sha256)) return no_hash();
  return content_at(*storage_, module_key(sha256), sha256, kMaxModuleBytes);
}
Result<std::string> VersionArchive::config_bytes(std::string_view sha256) const {
  if (!is_sha256(sha256)) return no_hash();
  return content_at(*storage_, config_key(sha256), sha256, kMaxConfigBytes);
}
Result<void> VersionArchive::put_module(std::string_view sha256, std::string_view bytes) const {
  return put_content(*storage_, module_key(sha256), sha256, bytes);
}
Result<void> VersionArchive::put_config(std::string_view sha256, std::string_view bytes) const {
  return put_content(*storage_, config_key(sha256), sha256, bytes);
}

Result<void> VersionArchive::put_manifest(const Manifest& manifest) const {
  const ForceRecord& record = manifest.record;
  if (!engine::is_module_name(record.module) || !is_file_label(record.label) || !is_file_node(manifest.node)) {
    return fail(ErrorCode::kBadRequest,
                fmt::format("{} {} on {} cannot be the name of a file", record.module, record.label, manifest.node));
  }
  for (int number = 1; number <= kMostOfOneLabel; ++number) {
    const std::string key =
        fmt::format("{}/{}/{}", kManifests, record.module, manifest_name(record.label, manifest.node, number));
    const auto text = storage_->get(key, kMaxManifestBytes);
    if (!text && text.error().code == ErrorCode::kNotFound) return storage_->put(key, to_json(merged(manifest, {})));
    if (!text && text.error().code != ErrorCode::kTooLarge) return std::unexpected(text.error());
    const auto there = text ? manifest_from_json(*text) : std::unexpected(text.error());
    // What cannot be read, or is another version's, is left as it is.
    if (!there || !same_version(*there, manifest)) continue;
    const std::string both = to_json(merged(*there, manifest));
    return both == *text ? Result<void>() : storage_->put(key, both);
  }
  return fail(ErrorCode::kIo, fmt::format("{} has more than {} manifests of {} {} {}; move some of them away", place(),
                                          kMostOfOneLabel, record.module, record.label, manifest.node));
}

Result<ArchiveContents> VersionArchive::list() const {
  if (auto checked = storage_->check(); !checked) return std::unexpected(checked.error());
  const auto files = storage_->list(std::string(kManifests));
  if (!files) return std::unexpected(files.error());
  return read_manifests(*files);
}

Result<ArchiveContents> VersionArchive::list_newest_of(std::string_view node, std::size_t most) const {
  auto files = storage_->list_where(std::string(kManifests), [&](std::string_view key) {
    return is_manifest_of(key.substr(key.rfind('/') + 1), node);
  });
  if (!files) return std::unexpected(files.error());
  std::ranges::stable_sort(*files, std::ranges::greater{}, &StoredFile::modified);
  std::map<std::string, std::size_t> of_module;
  std::erase_if(*files,
                [&](const StoredFile& file) { return ++of_module[file.key.substr(0, file.key.rfind('/'))] > most; });
  return read_manifests(*files);
}

Result<ArchiveContents> VersionArchive::read_manifests(const std::vector<StoredFile>& files) const {
  ArchiveContents contents;
  for (const StoredFile& file : files) {
    if (file.key.substr(file.key.rfind('/') + 1).starts_with(kTemporaryPrefix)) continue;
    auto manifest = manifest_at(*storage_, file.key);
    if (manifest) {
      contents.manifests.push_back(*std::move(manifest));
    } else if (manifest.error().code == ErrorCode::kCancelled) {
      return std::unexpected(manifest.error());
    } else {
      contents.problems.push_back({file.key, manifest.error().message});
    }
  }
  std::ranges::sort(contents.manifests, {}, [](const Manifest& manifest) {
    return std::tie(manifest.record.module, manifest.record.created_at, manifest.record.label);
  });
  return contents;
}

}  // namespace secbeat::archive
