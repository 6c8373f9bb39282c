// The archive of a node ([archive] url): every version that was in force, in a folder or in S3, which outlives the data
// directory. Its layout is in secbeat/archive/version_archive.hpp.
//
// Archiving happens on a thread of its own, after the commit. An archive that is slow, full or away holds up nothing:
// what is not archived yet is tried again, and its files stay in the data directory as long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/version_keeper.hpp"

namespace secbeat::agent {

struct ArchiveStatus {
  std::size_t pending = 0;     // versions that are not in the archive as they should be
  std::uint64_t archived = 0;  // manifests written since the start
  std::uint64_t failures = 0;  // attempts that failed since the start
  std::string error = {};      // of the last attempt; empty: it went well
};

// Thread safety: every method may be called from any thread.
class Archive : public VersionKeeper {
 public:
  // REQUIRES: !config.archive.is_nowhere(). Touches the archive on its thread only.
  static std::unique_ptr<Archive> start(const Config& config);
  // Enters what is on the disk and may not be in the archive, as after a start.
  virtual void catch_up(const Reloader& reloader) = 0;
  [[nodiscard]] virtual ArchiveStatus status() const = 0;
  // Gives what is pending a moment. A thread that hangs in a file system is left behind.
  virtual void stop() = 0;
};

}  // namespace secbeat::agent
