// The frame of ABI 2, written where the guest reads it: no buffer in between, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "secbeat/engine/request.hpp"

namespace secbeat::engine {

// Bytes of the request's frame; nothing where its offsets would not fit 32 bits.
std::optional<std::uint32_t> frame_size(const RequestView& request) noexcept;

// Writes the frame. REQUIRES: frame_size(request) == frame.size()
void write_frame(const RequestView& request, std::span<std::byte> frame) noexcept;

}  // namespace secbeat::engine
