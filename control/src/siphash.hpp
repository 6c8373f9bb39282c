// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose collisions nobody can choose without the key.
#pragma once

#include <cstdint>
#include <string_view>

namespace secbeat::control {

std::uint64_t siphash(const std::uint64_t (&key)[2], std::string_view bytes) noexcept;

}  // namespace secbeat::control
