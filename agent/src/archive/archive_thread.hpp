// The archive with its patience as a seam for tests.
#pragma once

#include <chrono>
#include <memory>

#include "secbeat/agent/archive.hpp"

namespace secbeat::agent {

struct ArchivePatience {
  std::chrono::milliseconds first_retry{1000};
  std::chrono::milliseconds last_retry{300000};
  std::chrono::milliseconds at_the_end{3000};    // for what is pending when the node stops
  std::chrono::milliseconds after_cancel{1500};  // libcurl looks once a second
};

// Versions that wait, at most: their files stay in the data directory as long.
inline constexpr std::size_t kMostPending = 256;

std::unique_ptr<Archive> start_archive(const Config& config, const ArchivePatience& patience);

}  // namespace secbeat::agent
