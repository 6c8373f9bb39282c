// Reading and writing the folder of an archive; also for the command line, without a node.
//
// What is read was written by others: manifests are parsed with bounds, nothing in them becomes a path before it has
// been checked, and content is given out only after its hash was.
//
// Thread safety: constant after construction; one writer at a time for each node's name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/version_keeper.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

// What manifests/<module>/<label>@<node>.json says.
struct Manifest {
  std::string node;
  ForceRecord record;  // times: oldest first
  std::uint64_t config_size_bytes = 0;

  bool operator==(const Manifest&) const = default;
};

inline constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxManifestTimes = 64;  // the newest are kept
inline constexpr std::size_t kMaxReasonInManifest = 1000;
inline constexpr std::size_t kMaxSignatureInManifest = 1024;

std::string to_json(const Manifest& manifest);
// kProtocol with the place of the fault for anything that is no such manifest.
Result<Manifest> manifest_from_json(std::string_view text);

struct ArchiveProblem {
  std::string file;  // relative to the archive
  std::string what;
};

struct ArchiveContents {
  std::vector<Manifest> manifests;  // by module, then oldest first
  std::vector<ArchiveProblem> problems;
};

class ArchiveFolder {
 public:
  // Bounds for what is read: far above what a node takes.
  static constexpr std::size_t kMaxModuleBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20U;

  explicit ArchiveFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

  // Where content lies. REQUIRES: a SHA-256.
  [[nodiscard]] std::filesystem::path module_path(std::string_view sha256) const;
  [[nodiscard]] std::filesystem::path config_path(std::string_view sha256) const;

  // Makes the folders where they are missing; content that is there and whole is left alone.
  Result<void> put_module(std::string_view sha256, std::string_view bytes) const;
  Result<void> put_config(std::string_view sha256, std::string_view bytes) const;
  // Enters the times of `manifest` into the one that is there for the same version, or makes it.
  Result<void> put_manifest(const Manifest& manifest) const;

  // kIo where there is no such folder. A manifest that cannot be read is a problem, and the others are told.
  [[nodiscard]] Result<ArchiveContents> list() const;
  // list(), and all that is wrong with the files; `notes` are harmless.
  struct Verdict {
    ArchiveContents contents;
    std::vector<ArchiveProblem> notes;
    std::size_t modules = 0;
    std::size_t configs = 0;
  };
  [[nodiscard]] Result<Verdict> verify() const;

  // Checked against the hash: kIo where the file is missing or is not what its name says. kBadRequest: no SHA-256.
  [[nodiscard]] Result<std::string> module_bytes(std::string_view sha256) const;
  [[nodiscard]] Result<std::string> config_bytes(std::string_view sha256) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace secbeat::agent
