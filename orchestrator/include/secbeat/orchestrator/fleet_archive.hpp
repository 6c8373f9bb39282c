// The archive of a fleet ([archive] url of an orchestrator): every version that a rollout brought to a node, and the
// desired state after each change.
//
// It looks at what lies in JetStream, on a thread of its own: no rollout waits for it, what another orchestrator has
// done is archived as well, and what could not be is tried again, also after a restart, as JetStream keeps it.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "secbeat/archive/location.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

struct FleetArchiveStatus {
  std::size_t pending = 0;     // versions and desired states that are not in the archive as they should be
  std::uint64_t archived = 0;  // of them, written since the start
  std::uint64_t failures = 0;  // looks that failed, and versions that did in others, since the start
  std::string error = {};      // of the last look while NATS was there; empty: everything is in the archive
};

// Which rollouts are in the archive: filled by FleetArchive, asked by Rollouts before it forgets one.
//
// Thread safety: every method may be called from any thread.
class ArchivedRollouts {
 public:
  // What of a rollout that has ended goes into the archive is there, or nothing does.
  [[nodiscard]] bool has(const fleet::Rollout& rollout) const;
  void set(std::set<std::string> ends);

 private:
  mutable std::mutex mutex_;
  std::set<std::string> ends_;  // guarded by mutex_
};

struct ArchivePace {
  std::chrono::milliseconds look{2000};
  std::chrono::milliseconds whole_look{60000};  // at rollouts that left the desired state as it was
  std::chrono::milliseconds last_retry{300000};
  std::chrono::milliseconds forget{3600000};  // what is believed to be there; it is looked for anew
};

class FleetArchive {
 public:
  // `connection`, `rollouts` and `archived` (null: nobody asks) outlive it. REQUIRES: !location.is_nowhere().
  static std::unique_ptr<FleetArchive> start(const archive::Location& location, fleet::Connection& connection,
                                             const Rollouts& rollouts, ArchivedRollouts* archived = nullptr,
                                             const ArchivePace& pace = {});
  virtual ~FleetArchive() = default;
  [[nodiscard]] virtual FleetArchiveStatus status() const = 0;
};

}  // namespace secbeat::orchestrator
