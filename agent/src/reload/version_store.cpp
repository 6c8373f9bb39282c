#include "version_store.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdio>
#include <set>
#include <system_error>

#include "secbeat/base/content_file.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kReadable = 0644;

Result<void> make_folder(const fs::path& folder, mode_t mode) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("cannot make {}: {}", folder.string(), error.message()));
  if (::chmod(folder.c_str(), mode) != 0) return std::unexpected(io_error("cannot set the mode of " + folder.string()));
  return {};
}

void remove_all_but(const fs::path& folder, const std::set<std::string>& names) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (!names.contains(entry->path().filename().string())) fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

fs::path VersionStore::module_path(std::string_view sha256) const {
  return data_dir_ / "modules" / fmt::format("{}.wasm", sha256);
}
fs::path VersionStore::artifact_path(std::string_view sha256) const {
  return data_dir_ / "artifacts" / fmt::format("{}.cwasm", sha256);
}
fs::path VersionStore::counting_path(std::string_view module_sha256) const {
  return data_dir_ / "counting" / fmt::format("{}.cwasm", module_sha256);
}
fs::path VersionStore::config_path(std::string_view sha256) const { return data_dir_ / "configs" / sha256; }
fs::path VersionStore::work_path(std::string_view name) const { return data_dir_ / "work" / name; }

Result<VersionStore> VersionStore::open(const fs::path& data_dir) {
  // The data directory and what workers read is open to their user; modules and work are the agent's.
  const std::pair<const char*, mode_t> folders[] = {{"", 0755},        {"modules", 0700},  {"artifacts", 0755},
                                                    {"configs", 0755}, {"counting", 0700}, {"work", 0700}};
  for (const auto& [name, mode] : folders) {
    const fs::path folder = *name == '\0' ? data_dir : data_dir / name;
    if (auto made = make_folder(folder, mode); !made) return std::unexpected(made.error());
  }
  VersionStore store(data_dir);
  remove_all_but(data_dir / "work", {});
  for (const fs::path& entry : entries_of(data_dir)) {  // of a process that ended between write and rename
    std::error_code ignored;
    if (entry.filename().string().starts_with(kTemporaryPrefix)) fs::remove(entry, ignored);
  }
  remove_all_but(data_dir / "counting", {});  // their checksums were in the memory of the agent before
  return store;
}

Result<std::optional<control::InForce>> VersionStore::read_in_force() const {
  std::error_code error;
  if (!fs::exists(in_force_path(), error) && !error) return std::nullopt;
  auto text = read_file(in_force_path(), control::kMaxDocumentBytes);
  if (!text) return std::unexpected(text.error());
  auto document = control::in_force_from_json(*text);
  if (!document) {
    return fail(ErrorCode::kConfig,
                fmt::format("{} cannot be used ({})", in_force_path().string(), document.error().message));
  }
  return *document;
}

Result<void> VersionStore::write_in_force(const control::InForce& in_force) {
  if (auto synced = make_durable(); !synced) return synced;
  return write_file_atomically(in_force_path(), control::to_json(in_force), kReadable);
}

Result<std::string> VersionStore::module_bytes(std::string_view sha256) const {
  return read_content(module_path(sha256), sha256, kMaxModuleBytes);
}
Result<std::string> VersionStore::config_bytes(std::string_view sha256) const {
  return read_content(config_path(sha256), sha256, kMaxConfigBytes);
}
Result<std::string> VersionStore::artifact_bytes(std::string_view sha256) const {
  return read_content(artifact_path(sha256), sha256, kMaxArtifactBytes);
}
bool VersionStore::has_module(std::string_view sha256) const {
  std::error_code error;
  return fs::exists(module_path(sha256), error);
}

Result<void> VersionStore::put(const fs::path& file, std::string_view sha256, std::string_view bytes,
                               std::size_t limit) {
  unsynced_.push_back(file);  // also where it is there: nobody knows whether it was synced
  if (read_content(file, sha256, limit)) return {};
  return write_file_unsynced(file, bytes, kReadable);
}

Result<void> VersionStore::put_module(std::string_view sha256, std::string_view bytes) {
  return put(module_path(sha256), sha256, bytes, kMaxModuleBytes);
}
Result<void> VersionStore::put_config(std::string_view sha256, std::string_view bytes) {
  return put(config_path(sha256), sha256, bytes, kMaxConfigBytes);
}

Result<std::uint64_t> VersionStore::adopt_artifact(const fs::path& made, std::string_view sha256) {
  auto bytes = read_content(made, sha256, kMaxArtifactBytes);
  if (!bytes) return std::unexpected(bytes.error());
  const fs::path place = artifact_path(sha256);
  if (::chmod(made.c_str(), kReadable) != 0 || ::rename(made.c_str(), place.c_str()) != 0) {
    return std::unexpected(io_error("cannot move the artifact to " + place.string()));
  }
  fault_point("reload.artifact_moved");
  unsynced_.push_back(place);
  return bytes->size();
}

Result<void> VersionStore::keep_counting(const fs::path& made, std::string_view module_sha256) {
  const fs::path place = counting_path(module_sha256);
  if (::rename(made.c_str(), place.c_str()) != 0) {
    return std::unexpected(io_error("cannot move the artifact to " + place.string()));
  }
  return {};
}
bool VersionStore::has_counting(std::string_view module_sha256) const {
  std::error_code error;
  return fs::exists(counting_path(module_sha256), error);
}

Result<void> VersionStore::make_durable() {
  if (auto synced = sync_files(unsynced_); !synced) return synced;
  unsynced_.clear();
  return {};
}

void VersionStore::collect_garbage(std::span<const control::InForce> documents) noexcept {
  try {
    std::set<std::string> modules;
    std::set<std::string> artifacts;
    std::set<std::string> counting;
    std::set<std::string> configs;
    for (const control::InForce& document : documents) {
      for (const control::Slot& slot : document.slots) {
        for (const control::Version& version : slot.versions) {
          modules.insert(version.sha256 + ".wasm");
          counting.insert(version.sha256 + ".cwasm");
          artifacts.insert(version.artifact_sha256 + ".cwasm");
          configs.insert(version.config_sha256);
        }
      }
    }
    remove_all_but(data_dir_ / "modules", modules);
    fault_point("garbage.modules_removed");
    remove_all_but(data_dir_ / "artifacts", artifacts);
    remove_all_but(data_dir_ / "configs", configs);
    remove_all_but(data_dir_ / "counting", counting);
    remove_all_but(data_dir_ / "work", {});
    fault_point("garbage.removed");
  } catch (const std::exception& error) {  // out of memory: the next collection finds the same files
    spdlog::warn("Files that are not needed any more stay for now: {}", error.what());
  }
}

}  // namespace secbeat::agent
