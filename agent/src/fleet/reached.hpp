// Which desired revision of each module the node has reached, on the disk. A node never follows the same or an older
// one again; where the file is lost it follows the newest, as a new node does. And which rollouts were taken back
// before they were committed here: a commit that comes late is not done.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::agent {

struct ReachedRevision {
  std::uint64_t revision = 0;
  // By an order that the node committed: it serves this, whatever an older desired state says.
  bool ahead = false;
  std::string sha256 = {};  // of what came into force with it
  std::string config_sha256 = {};
  std::string rollout = {};  // whose order it was; empty: the desired state's

  bool operator==(const ReachedRevision&) const = default;
};

// What the file says.
struct ReachedNotes {
  std::map<std::string, ReachedRevision, std::less<>> modules;
  std::deque<std::string> reverted;  // rollouts; newest last, bounded

  bool operator==(const ReachedNotes&) const = default;
};

std::string to_json(const ReachedNotes& notes);
// kProtocol for anything that is not such a text.
Result<ReachedNotes> reached_notes_from_json(std::string_view text);

class Reached {
 public:
  explicit Reached(std::filesystem::path file);  // reads it, where it can be read

  [[nodiscard]] ReachedRevision of(std::string_view module) const;
  // Never goes back to an older revision: that of `reached` counts if it is newer than what the module has.
  Result<void> set(std::string_view module, ReachedRevision reached);

  Result<void> note_revert(std::string_view rollout);
  [[nodiscard]] bool was_reverted(std::string_view rollout) const;

 private:
  Result<void> write() const;

  const std::filesystem::path file_;
  mutable std::mutex mutex_;
  ReachedNotes notes_;  // guarded by mutex_
};

}  // namespace secbeat::agent
