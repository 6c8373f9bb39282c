// What the archive keeps of a fleet, beside the layout of secbeat/archive/version_archive.hpp:
//
//   manifests/<module>/<label>@fleet.json   of each version that a rollout brought to a node; its times are rollouts
//   fleet/desired/<revision>.json           the desired state as of a revision, of 20 digits; never replaced. What has
//                                           the same revision and says something else is <revision>~2.json
//
// Thread safety: free functions; as the archive.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/version_archive.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"

namespace secbeat::orchestrator {

inline constexpr std::string_view kFleetAsNode = "fleet";

// Whether a rollout may have brought its version into force anywhere.
bool has_reached_a_node(const fleet::Rollout& rollout);
// One for each version, with the rollouts that have ended and reached a node.
std::vector<archive::Manifest> manifests_of(const std::vector<fleet::Rollout>& rollouts);

// By module, what the fleet was given, as far as the manifests of the fleet say so: labels mean the same for ever.
std::map<std::string, fleet::Running> given_in(const std::vector<archive::Manifest>& manifests);

struct ArchivedDesired {
  std::string key;
  std::uint64_t revision = 0;
  int number = 1;             // of those of the same revision
  std::string modified = {};  // RFC 3339; empty: not told
};
// The oldest first.
Result<std::vector<ArchivedDesired>> archived_desired(archive::Storage& storage);
Result<void> put_desired(archive::Storage& storage, const fleet::Desired& desired);
// kProtocol, kIo, kNotFound: what is there cannot be used, and why.
Result<fleet::Desired> read_desired_at(archive::Storage& storage, const ArchivedDesired& where);

}  // namespace secbeat::orchestrator
