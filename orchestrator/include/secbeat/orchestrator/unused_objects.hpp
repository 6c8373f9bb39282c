// Modules and configurations leave JetStream when nobody can want them any more.
//
// Thread safety: a free function; as the connection.
#pragma once

#include <chrono>
#include <cstddef>

#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"

namespace secbeat::orchestrator {

// What was put a shorter time ago stays, as its rollout may be about to be written. Far beyond what clocks differ by.
inline constexpr std::chrono::hours kKeptUnused{24};

// Removes the objects that neither the desired state names, with what a rollback leads to, nor a rollout that is kept,
// and that were put before `time`; how many there were. Where anything of that cannot be read, or nothing is desired,
// all of them stay.
Result<std::size_t> remove_unused_objects(fleet::Connection& connection, SystemTime time);

}  // namespace secbeat::orchestrator
