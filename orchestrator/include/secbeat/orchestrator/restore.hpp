// A fleet rebuilt out of its archive: what was desired last, and its modules and configurations, into a NATS that has
// nothing of it.
//
// What is desired keeps its revisions. A node that has reached them goes on with what it serves, whatever that is; one
// that has reached less follows; one that has reached more stays, too. So no node is taken back. `anew` gives every
// module a revision above all that nodes report: then each of them comes to what the archive has.
//
// Thread safety: free functions; as archive and connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/version_archive.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"

namespace secbeat::orchestrator {

// What NATS is restored to, read and checked; none of it is in memory.
struct RestoreSource {
  std::string file;  // of the desired state, in the archive
  fleet::Desired desired;
  std::vector<std::string> contents = {};            // hashes of modules and configurations, each whole in the archive
  std::vector<std::string> left_out = {};            // versions from before, of which the archive has not everything
  std::map<std::string, fleet::Running> given = {};  // by module, which labels the fleet has had
  std::uint64_t bytes = 0;
  std::string archived_at = {};          // of the desired state, RFC 3339; empty: not told
  std::uint64_t highest = 0;             // revision in the archive
  std::string newer = {};                // file of another desired state that was archived later
  std::vector<std::string> unread = {};  // what could not be read of which labels the fleet has had
};
// `revision`: nothing: the newest. kNotFound: the archive has no desired state; kIo: something is missing or damaged.
// `told` hears of each content that was checked.
using Progress = std::function<void(std::string_view what, std::size_t done, std::size_t all)>;
Result<RestoreSource> read_restore_source(const archive::VersionArchive& archive,
                                          const std::optional<std::uint64_t>& revision, const Progress& told);

struct NodeAhead {
  std::string node;
  std::string module;
  std::string version;  // that serves
  std::uint64_t reached = 0;
};
struct RestorePlan {
  fleet::Desired desired;                   // that will be written
  std::uint64_t key_revision = 0;           // of the key, for compare-and-set
  std::vector<std::string> there = {};      // what NATS has of a fleet; empty: nothing
  std::vector<NodeAhead> ahead = {};        // nodes that serve something else and have reached more: they stay
  std::vector<std::string> no_longer = {};  // modules that NATS wants and the archive does not
  std::size_t nodes = 0;                    // that have reported
};
struct RestoreChoice {
  bool anew = false;
};
// What `anew` adds: above whatever nodes have reached that have not reported.
inline constexpr std::uint64_t kBlindStep = 1000000;
// Makes the buckets, and where no node is known waits so long for reports: nodes make no buckets. How many are known.
Result<std::size_t> hear_nodes(fleet::Connection& connection, int replicas, std::chrono::milliseconds patience);
// Looks at NATS, changes nothing. kReloadInProgress: a rollout runs there.
Result<RestorePlan> plan_restore(fleet::Connection& connection, const RestoreSource& source,
                                 const RestoreChoice& choice);

// Adds to a verdict what is wrong with desired states; contents that only they name are needed. How many there are.
Result<std::size_t> check_desired(const archive::VersionArchive& archive, archive::VersionArchive::Verdict& verdict);

// Buckets, contents, then the desired state by compare-and-set (kPreconditionFailed: somebody else has changed it).
Result<void> restore(fleet::Connection& connection, const archive::VersionArchive& archive, const RestoreSource& source,
                     const RestorePlan& plan, int replicas, const Progress& told);

}  // namespace secbeat::orchestrator
