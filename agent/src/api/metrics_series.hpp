// Metric families as values, and the scoreboard's counters summed over workers.
//
// Thread safety: free functions without state.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricFamily counter_family(const char* name, const char* help);
prometheus::MetricFamily gauge_family(const char* name, const char* help);
void add_counter(prometheus::MetricFamily& family, Labels labels, double value);
void add_gauge(prometheus::MetricFamily& family, Labels labels, double value);
Labels with(Labels labels, const char* name, const char* value);

struct SeriesSum {
  std::array<std::uint64_t, control::kVerdicts> verdicts{};
  std::array<std::uint64_t, control::kErrorKinds> errors{};
  std::array<std::uint64_t, control::kInspectionBuckets> buckets{};
  std::uint64_t sum_ns = 0;

  bool operator==(const SeriesSum&) const = default;
};

// Over all slots, those of dead workers included.
struct ScoreboardSums {
  std::map<std::uint64_t, SeriesSum> versions;  // by id
  SeriesSum others;                             // of versions for which workers had no series, together
};
ScoreboardSums sum_series(const control::Scoreboard& scoreboard);
prometheus::ClientMetric inspection_histogram(const Labels& labels, const SeriesSum& sum);

}  // namespace secbeat::agent
