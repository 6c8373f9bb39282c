#include "secbeat/agent/archive_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <tuple>

#include "archive_names.hpp"
#include "secbeat/base/content_file.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {
namespace fs = std::filesystem;
namespace {

// Rules may be nobody else's business: owner and group.
constexpr mode_t kFileMode = 0640;
constexpr fs::perms kFolderMode = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec;
constexpr int kMostOfOneLabel = 1000;             // ledgers that one node has lost
constexpr std::string_view kTemporary = ".tmp-";  // base/files.hpp

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  if (folder.has_relative_path() && folder != folder.parent_path()) {
    if (auto made = make_folder(folder.parent_path()); !made) return made;
  }
  if (fs::create_directory(folder, error)) fs::permissions(folder, kFolderMode, error);
  if (error || !fs::is_directory(folder, error)) {
    return fail(ErrorCode::kIo, fmt::format("cannot make the folder {}: {}", folder.string(),
                                            error ? error.message() : "something else is there"));
  }
  const UniqueFd parent(::open(folder.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return std::unexpected(io_error("cannot sync " + folder.string()));
  return {};
}

Result<void> put(const fs::path& file, std::string_view sha256, std::string_view bytes, std::size_t limit) {
  if (!is_sha256(sha256) || sha256_hex(bytes) != sha256) {
    return fail(ErrorCode::kBadRequest, fmt::format("the content does not have the SHA-256 {}", sha256));
  }
  if (read_content(file, sha256, limit)) return {};
  if (auto made = make_folder(file.parent_path()); !made) return made;
  return write_file_atomically(file, bytes, kFileMode);
}

bool same_version(const Manifest& a, const Manifest& b) {
  const auto key = [](const Manifest& m) {
    return std::tie(m.node, m.record.module, m.record.label, m.record.sha256, m.record.config_sha256);
  };
  return key(a) == key(b);
}

// `manifest` with the times of both, oldest first.
Manifest merged(Manifest manifest, const Manifest& other) {
  std::vector<InForceTime>& times = manifest.record.times;
  for (const InForceTime& time : other.record.times) {
    const bool known = std::ranges::any_of(times, [&](const InForceTime& there) {
      return there.since == time.since && there.generation == time.generation;
    });
    if (!known) times.push_back(time);
  }
  std::ranges::sort(times, {}, [](const InForceTime& time) { return std::tie(time.since, time.generation); });
  if (times.size() > kMaxManifestTimes) {
    times.erase(times.begin(), times.end() - static_cast<std::ptrdiff_t>(kMaxManifestTimes));
  }
  return manifest;
}

// The names in a folder, sorted; none where it is not there. kIo where it cannot be read.
Result<std::vector<std::string>> names_in_folder(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::exists(folder, error) && !error) return names;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error)
    return fail(ErrorCode::kIo, fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
  std::ranges::sort(names);
  return names;
}

Result<Manifest> read_manifest(const fs::path& folder, const std::string& module, const std::string& name) {
  auto text = read_file(folder / "manifests" / module / name, kMaxManifestBytes);
  if (!text) return std::unexpected(text.error());
  auto manifest = manifest_from_json(*text);
  if (!manifest) return manifest;
  const ForceRecord& record = manifest->record;
  if (record.module != module || !is_manifest_name(name, record.label, manifest->node)) {
    return fail(ErrorCode::kProtocol, fmt::format("it is the manifest of {} {} on {}, which has another name",
                                                  record.module, record.label, manifest->node));
  }
  return manifest;
}

// What the files of one kind are: the size of each whole one by its hash.
class ContentCheck {
 public:
  ContentCheck(const ArchiveFolder& archive, ArchiveFolder::Verdict& verdict) : archive_(archive), verdict_(verdict) {}

  Result<std::map<std::string, std::uint64_t>> run(const std::string& kind, std::string_view suffix) {
    std::map<std::string, std::uint64_t> whole;
    auto names = names_in_folder(archive_.path() / kind);
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      const std::string file = kind + "/" + name;
      const std::string sha256 = name.substr(0, name.size() - std::min(name.size(), suffix.size()));
      if (name.starts_with(kTemporary)) {
        verdict_.notes.push_back({file, "left by a write that was interrupted; it can be removed"});
      } else if (!name.ends_with(suffix) || !is_sha256(sha256)) {
        verdict_.notes.push_back({file, "is no file of the archive"});
      } else {
        auto bytes = kind == "modules" ? archive_.module_bytes(sha256) : archive_.config_bytes(sha256);
        if (bytes) whole.emplace(sha256, bytes->size());
        if (!bytes) verdict_.contents.problems.push_back({file, bytes.error().message});
      }
    }
    return whole;
  }

 private:
  const ArchiveFolder& archive_;
  ArchiveFolder::Verdict& verdict_;
};

void check_content(const Manifest& manifest, const std::string& sha256, std::uint64_t size, const std::string& file,
                   const std::map<std::string, std::uint64_t>& whole, ArchiveFolder::Verdict& verdict) {
  if (sha256.empty()) return;
  const std::string what = fmt::format("{} {} on {}", manifest.record.module, manifest.record.label, manifest.node);
  const auto found = whole.find(sha256);
  if (found == whole.end()) {
    verdict.contents.problems.push_back({file, fmt::format("is missing or damaged, and {} needs it", what)});
  } else if (found->second != size) {
    verdict.contents.problems.push_back(
        {file, fmt::format("has {} bytes; the manifest of {} says {}", found->second, what, size)});
  }
}

void note_unnamed(const std::map<std::string, std::uint64_t>& whole, const std::set<std::string>& named,
                  const std::string& kind, std::string_view suffix, ArchiveFolder::Verdict& verdict) {
  for (const auto& [sha256, size] : whole) {
    if (!named.contains(sha256)) {
      verdict.notes.push_back({fmt::format("{}/{}{}", kind, sha256, suffix), "no manifest names it"});
    }
  }
}

}  // namespace

fs::path ArchiveFolder::module_path(std::string_view sha256) const {
  return folder_ / "modules" / fmt::format("{}.wasm", sha256);
}
fs::path ArchiveFolder::config_path(std::string_view sha256) const {
  return folder_ / "configs" / fmt::format("{}.json", sha256);
}
Result<std::string> ArchiveFolder::module_bytes(std::string_view sha256) const {
  return read_content(module_path(sha256), sha256, kMaxModuleBytes);
}
Result<std::string> ArchiveFolder::config_bytes(std::string_view sha256) const {
  return read_content(config_path(sha256), sha256, kMaxConfigBytes);
}
Result<void> ArchiveFolder::put_module(std::string_view sha256, std::string_view bytes) const {
  return put(module_path(sha256), sha256, bytes, kMaxModuleBytes);
}
Result<void> ArchiveFolder::put_config(std::string_view sha256, std::string_view bytes) const {
  return put(config_path(sha256), sha256, bytes, kMaxConfigBytes);
}

Result<void> ArchiveFolder::put_manifest(const Manifest& manifest) const {
  const ForceRecord& record = manifest.record;
  if (!engine::is_module_name(record.module) || !is_file_label(record.label) || !is_file_node(manifest.node)) {
    return fail(ErrorCode::kBadRequest,
                fmt::format("{} {} on {} cannot be the name of a file", record.module, record.label, manifest.node));
  }
  const fs::path folder = folder_ / "manifests" / record.module;
  if (auto made = make_folder(folder); !made) return made;
  for (int number = 1; number <= kMostOfOneLabel; ++number) {
    const fs::path file = folder / manifest_name(record.label, manifest.node, number);
    std::error_code error;
    if (!fs::exists(file, error)) {
      if (error) return fail(ErrorCode::kIo, fmt::format("cannot look at {}: {}", file.string(), error.message()));
      return write_file_atomically(file, to_json(merged(manifest, {})), kFileMode);
    }
    auto text = read_file(file, kMaxManifestBytes);
    if (!text && text.error().code == ErrorCode::kIo) return std::unexpected(text.error());
    const auto there = text ? manifest_from_json(*text) : std::unexpected(text.error());
    // What cannot be read, or is another version's, is left as it is.
    if (!there || !same_version(*there, manifest)) continue;
    const std::string both = to_json(merged(*there, manifest));
    return both == *text ? Result<void>() : write_file_atomically(file, both, kFileMode);
  }
  return fail(ErrorCode::kIo, fmt::format("{} has more than {} manifests of {} {}; move some of them away",
                                          folder.string(), kMostOfOneLabel, record.label, manifest.node));
}

Result<ArchiveContents> ArchiveFolder::list() const {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) {
    return fail(ErrorCode::kIo, fmt::format("there is no archive at {}", folder_.string()));
  }
  ArchiveContents contents;
  auto modules = names_in_folder(folder_ / "manifests");
  if (!modules) return std::unexpected(modules.error());
  for (const std::string& module : *modules) {
    const std::string place = "manifests/" + module;
    auto names = names_in_folder(folder_ / "manifests" / module);
    if (!names) contents.problems.push_back({place, names.error().message});
    if (!names) continue;
    if (!engine::is_module_name(module)) contents.problems.push_back({place, "cannot be a module's folder"});
    for (const std::string& name : *names) {
      if (name.starts_with(kTemporary)) continue;
      auto manifest = read_manifest(folder_, module, name);
      if (manifest) {
        contents.manifests.push_back(*std::move(manifest));
      } else {
        contents.problems.push_back({place + "/" + name, manifest.error().message});
      }
    }
  }
  std::ranges::sort(contents.manifests, {}, [](const Manifest& manifest) {
    return std::tie(manifest.record.module, manifest.record.created_at, manifest.record.label);
  });
  return contents;
}

Result<ArchiveFolder::Verdict> ArchiveFolder::verify() const {
  auto contents = list();
  if (!contents) return std::unexpected(contents.error());
  Verdict verdict{.contents = *std::move(contents), .notes = {}, .modules = 0, .configs = 0};
  ContentCheck check(*this, verdict);
  const auto modules = check.run("modules", ".wasm");
  if (!modules) return std::unexpected(modules.error());
  const auto configs = check.run("configs", ".json");
  if (!configs) return std::unexpected(configs.error());
  verdict.modules = modules->size();
  verdict.configs = configs->size();
  std::set<std::string> named_modules;
  std::set<std::string> named_configs;
  for (const Manifest& manifest : verdict.contents.manifests) {
    const ForceRecord& record = manifest.record;
    named_modules.insert(record.sha256);
    named_configs.insert(record.config_sha256);
    check_content(manifest, record.sha256, record.size_bytes, "modules/" + record.sha256 + ".wasm", *modules, verdict);
    check_content(manifest, record.config_sha256, manifest.config_size_bytes,
                  "configs/" + record.config_sha256 + ".json", *configs, verdict);
  }
  note_unnamed(*modules, named_modules, "modules", ".wasm", verdict);
  note_unnamed(*configs, named_configs, "configs", ".json", verdict);
  return verdict;
}

}  // namespace secbeat::agent
