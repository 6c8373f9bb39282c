// What versions did while they served, to compare their successors with.
//
// A version counts also when it does not serve: as the previous one it is asked about the requests that the current one
// failed on, a choice that says nothing about what it would do with all of them. So only what it counted between the
// begin and the end of its time in service is part of its baseline.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "figures.hpp"
#include "secbeat/base/clock.hpp"

namespace secbeat::agent {

// One version's. Thread safety: as for std::deque.
class Baseline {
 public:
  // Traffic changes over a day: where the last minutes hold enough requests they are what is compared with.
  static constexpr std::chrono::minutes kWindow{10};
  static constexpr std::chrono::seconds kStep{10};

  // Serves from here on; `counted` is what it has counted in its life so far.
  void begin(SteadyTime now, const Figures& counted);
  // It serves, and has counted so far. REQUIRES: begin() came, and no end() since.
  void note(SteadyTime now, const Figures& counted);
  void end();

  // Of the last minutes where those have at least `enough` requests, else of all its time in service.
  [[nodiscard]] Figures figures(std::uint64_t enough) const;

 private:
  Figures earlier_;  // of times in service that have ended
  Figures begun_;
  Figures latest_;
  std::deque<std::pair<SteadyTime, Figures>> steps_;  // kStep apart, not older than kWindow
};

// Those of all loaded versions. Thread safety: as for std::map.
class Baselines {
 public:
  [[nodiscard]] Baseline& of(std::uint64_t version_id) { return baselines_[version_id]; }
  [[nodiscard]] const Baseline* find(std::uint64_t version_id) const;
  void keep_only(const std::set<std::uint64_t>& version_ids);

 private:
  std::map<std::uint64_t, Baseline> baselines_;
};

}  // namespace secbeat::agent
