// The first calls of a new instance, made before it meets a request: they touch its memory's pages, grow its
// buffers and fault its code in.
#pragma once

#include <cstdint>

#include "secbeat/engine/engine.hpp"

namespace secbeat::worker {

enum class Warmth : std::uint8_t {
  kWarm,
  kFailed,  // a sample request made the guest fail; the instance is of no more use
};

Warmth warm_up(engine::Instance& instance);

}  // namespace secbeat::worker
