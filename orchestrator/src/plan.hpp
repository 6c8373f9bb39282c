// What a rollout is to bring, worked out of what is there.
//
// Thread safety: free functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/fleet/documents.hpp"

namespace secbeat::orchestrator {

// Higher than what is desired and than what any node has reached: nodes follow nothing older, also where the desired
// state was lost.
std::uint64_t next_revision(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes);

// The embedded version where nobody has it, else with +2, +3, …; without one v<N>, numbering on from the highest that
// any node has given.
std::string next_label(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes,
                       std::string_view module, const std::optional<std::string>& embedded_version);

// The desired state with this version; what was desired before is kept for a rollback, kKeptBefore of them.
inline constexpr std::size_t kKeptBefore = 8;
fleet::Desired with(fleet::Desired desired, const fleet::Order& order);

}  // namespace secbeat::orchestrator
