// What a rollout is to bring, worked out of what is there.
//
// Thread safety: free functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/rollout.hpp"

namespace secbeat::orchestrator {

// Higher than what is desired and than what any node has reached: nodes follow nothing older, also where the desired
// state was lost.
std::uint64_t next_revision(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes);

// The embedded version where it was never given, else with +2, +3, …; without one v<N>, numbering on from the highest
// that any node has given. `given`: to versions of the module before.
std::string next_label(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes,
                       std::string_view module, const std::optional<std::string>& embedded_version,
                       const std::vector<fleet::VersionRef>& given = {});

// The desired state with this version; what was desired before is kept for a rollback, kKeptBefore of them.
inline constexpr std::size_t kKeptBefore = 8;
fleet::Desired with(fleet::Desired desired, const fleet::Order& order);
// The desired state with a version that was desired before; what was desired since then is reached by its label only.
fleet::Desired back_to(fleet::Desired desired, const fleet::Order& order);
// The desired state that wants the module's version anew, so that who went on to `revision` - 1 comes back to it.
fleet::Desired anew(fleet::Desired desired, std::string_view module, std::uint64_t revision);
// Nothing is desired of the order's module any more; revisions count on.
fleet::Desired without(fleet::Desired desired, const fleet::Order& order);

inline constexpr std::string_view kAll = "all";
// Whom the target means: "all", "label=value", or names with commas between them. kNoNodes: nobody, or a name that
// nobody has.
Result<std::vector<fleet::NodeStatus>> targeted(std::vector<fleet::NodeStatus> nodes, std::string_view target);

// How many of so many nodes have been reached after each wave; the last number is `nodes`. kBadRequest names the part
// that cannot be read.
Result<std::vector<std::size_t>> waves_of(const fleet::RolloutOptions& options, std::size_t nodes);

}  // namespace secbeat::orchestrator
