// The layout of an archive, in whatever holds it; also for the command line, without a node.
//
//   modules/<sha256>.wasm                    by content
//   configs/<sha256>.json                    by content
//   manifests/<module>/<label>@<node>.json   one for each version
//
// The node's name is in a manifest's, so that nodes that share an archive never write the same file; a label that a
// node gives again after it has lost its ledger gets another number, <label>@<node>~2.json. Files appear whole or not
// at all, the manifest last: what a manifest names is there.
//
// What is read was written by others: manifests are parsed with bounds, nothing in them becomes a key before it has
// been checked, and content is given out only after its hash was.
//
// Thread safety: as its storage; one writer at a time for each node's name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/manifest.hpp"
#include "secbeat/archive/storage.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::archive {

struct ArchiveProblem {
  std::string file;  // its key
  std::string what;
};

struct ArchiveContents {
  std::vector<Manifest> manifests;  // by module, then oldest first
  std::vector<ArchiveProblem> problems;
};

// The note of Verdict on content that nothing needs.
inline constexpr std::string_view kNobodyNamesIt = "no manifest names it";

// REQUIRES: a SHA-256.
std::string module_key(std::string_view sha256);
std::string config_key(std::string_view sha256);

class VersionArchive {
 public:
  // Bounds for what is read: far above what a node takes.
  static constexpr std::size_t kMaxModuleBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20U;

  explicit VersionArchive(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {}
  [[nodiscard]] const std::string& place() const { return storage_->place(); }
  [[nodiscard]] Storage& storage() const { return *storage_; }

  // Content that is there is left alone.
  [[nodiscard]] Result<void> put_module(std::string_view sha256, std::string_view bytes) const;
  [[nodiscard]] Result<void> put_config(std::string_view sha256, std::string_view bytes) const;
  // Enters the times of `manifest` into the one that is there for the same version, or makes it.
  [[nodiscard]] Result<void> put_manifest(const Manifest& manifest) const;

  // kIo where there is no archive. A manifest that cannot be read is a problem, and the others are told.
  [[nodiscard]] Result<ArchiveContents> list() const;
  // The newest `most` of each module that are of this node; nothing else is read.
  [[nodiscard]] Result<ArchiveContents> list_newest_of(std::string_view node, std::size_t most) const;
  // list(), and all that is wrong with the files; `notes` are harmless.
  struct Verdict {
    ArchiveContents contents;
    std::vector<ArchiveProblem> notes;
    std::size_t modules = 0;
    std::size_t configs = 0;
    std::map<std::string, std::uint64_t> whole = {};  // sizes, by key, of modules and configurations that are whole
  };
  [[nodiscard]] Result<Verdict> verify() const;

  // Checked against the hash: kNotFound; kIo where it is not what its name says. kBadRequest: no SHA-256.
  [[nodiscard]] Result<std::string> module_bytes(std::string_view sha256) const;
  [[nodiscard]] Result<std::string> config_bytes(std::string_view sha256) const;

 private:
  [[nodiscard]] Result<ArchiveContents> read_manifests(const std::vector<StoredFile>& files) const;

  std::shared_ptr<Storage> storage_;
};

}  // namespace secbeat::archive
