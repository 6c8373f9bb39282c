// The kind of number that the scoreboard consists of.
#pragma once

#include <atomic>
#include <cstdint>

namespace secbeat::control {

using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free);

}  // namespace secbeat::control
