// VersionArchive::verify(): whether everything is there and whole.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/content_file.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::archive {
namespace {

// What the files of one kind are: the size of each whole one by its hash.
class ContentCheck {
 public:
  ContentCheck(const VersionArchive& archive, VersionArchive::Verdict& verdict)
      : archive_(archive), verdict_(verdict) {}

  Result<std::map<std::string, std::uint64_t>> run(const std::string& kind, std::string_view suffix) {
    std::map<std::string, std::uint64_t> whole;
    const auto files = archive_.storage().list(kind);
    if (!files) return std::unexpected(files.error());
    for (const StoredFile& file : *files) {
      const std::string name = file.key.substr(kind.size() + 1);
      const std::string sha256 = name.substr(0, name.size() - std::min(name.size(), suffix.size()));
      if (name.starts_with(kTemporaryPrefix)) {
        verdict_.notes.push_back({file.key, "left by a write that was interrupted; it can be removed"});
      } else if (!name.ends_with(suffix) || !is_sha256(sha256)) {
        verdict_.notes.push_back({file.key, "is no file of the archive"});
      } else {
        auto bytes = kind == "modules" ? archive_.module_bytes(sha256) : archive_.config_bytes(sha256);
        if (bytes) whole.emplace(sha256, bytes->size());
        if (!bytes) verdict_.contents.problems.push_back({file.key, bytes.error().message});
      }
    }
    return whole;
  }

 private:
  const VersionArchive& archive_;
  VersionArchive::Verdict& verdict_;
};

void check_content(const Manifest& manifest, const std::string& sha256, std::uint64_t size, const std::string& file,
                   const std::map<std::string, std::uint64_t>& whole, VersionArchive::Verdict& verdict) {
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
                  const std::string& kind, std::string_view suffix, VersionArchive::Verdict& verdict) {
  for (const auto& [sha256, size] : whole) {
    if (!named.contains(sha256)) {
      verdict.notes.push_back({fmt::format("{}/{}{}", kind, sha256, suffix), std::string(kNobodyNamesIt)});
    }
  }
}

}  // namespace

Result<VersionArchive::Verdict> VersionArchive::verify() const {
  auto contents = list();
  if (!contents) return std::unexpected(contents.error());
  Verdict verdict{.contents = *std::move(contents), .notes = {}, .modules = 0, .configs = 0, .whole = {}};
  ContentCheck check(*this, verdict);
  const auto modules = check.run("modules", ".wasm");
  if (!modules) return std::unexpected(modules.error());
  const auto configs = check.run("configs", ".json");
  if (!configs) return std::unexpected(configs.error());
  for (const auto& [sha256, size] : *modules) verdict.whole.emplace(module_key(sha256), size);
  for (const auto& [sha256, size] : *configs) verdict.whole.emplace(config_key(sha256), size);
  verdict.modules = modules->size();
  verdict.configs = configs->size();
  std::set<std::string> named_modules;
  std::set<std::string> named_configs;
  for (const Manifest& manifest : verdict.contents.manifests) {
    const ForceRecord& record = manifest.record;
    named_modules.insert(record.sha256);
    named_configs.insert(record.config_sha256);
    check_content(manifest, record.sha256, record.size_bytes, module_key(record.sha256), *modules, verdict);
    check_content(manifest, record.config_sha256, manifest.config_size_bytes, config_key(record.config_sha256),
                  *configs, verdict);
  }
  note_unnamed(*modules, named_modules, "modules", ".wasm", verdict);
  note_unnamed(*configs, named_configs, "configs", ".json", verdict);
  return verdict;
}

}  // namespace secbeat::archive
