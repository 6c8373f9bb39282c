// What a version has counted, over all workers, as one value.
//
// Thread safety: value types and free functions without state.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "secbeat/agent/watch_view.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

struct Figures {
  std::array<std::uint64_t, control::kVerdicts> verdicts{};
  std::array<std::uint64_t, control::kErrorKinds> errors{};
  std::array<std::uint64_t, control::kInspectionBuckets> buckets{};
  // When it was counted, on some clock, so that a difference has the time that it took; 0: that is not known.
  std::chrono::milliseconds time{0};

  // Requests that the version was asked about: it gave a verdict or failed.
  [[nodiscard]] std::uint64_t requests() const noexcept;
  [[nodiscard]] std::uint64_t failed() const noexcept;
  [[nodiscard]] double percent(std::uint64_t count) const noexcept;  // of the requests; 0 where there are none
  [[nodiscard]] double block_percent() const noexcept;
  [[nodiscard]] double rate_limit_percent() const noexcept;
  // Requests that went on to the site; empty where the time is not known.
  [[nodiscard]] std::optional<double> passed_per_second() const noexcept;
  // Within its bucket as if times were spread evenly there; the open bucket counts as its lower bound.
  [[nodiscard]] std::optional<double> p99_us() const noexcept;

  bool operator==(const Figures&) const = default;
};

// What was counted between the two; never below zero, whatever workers write into the scoreboard.
Figures operator-(const Figures& later, const Figures& earlier) noexcept;
Figures operator+(const Figures& one, const Figures& other) noexcept;

// Over all slots, those of dead workers included.
Figures figures_of(const control::Scoreboard& scoreboard, std::uint64_t version_id) noexcept;

WatchFigures view_of(const Figures& figures);

// "37 trap, 2 deadline"; empty where there were none.
std::string errors_by_kind(const Figures& figures);

}  // namespace secbeat::agent
