#include "metrics_series.hpp"

#include <limits>

namespace secbeat::agent {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

template <std::size_t N>
void add(std::array<std::uint64_t, N>& sum, const control::Counter (&counters)[N]) {
  for (std::size_t i = 0; i < N; ++i) sum[i] += counters[i].load(std::memory_order_relaxed);
}

void add(SeriesSum& sum, const control::Series& series) {
  add(sum.verdicts, series.verdicts);
  add(sum.errors, series.errors);
  add(sum.buckets, series.buckets);
  sum.sum_ns += series.sum_ns.load(std::memory_order_relaxed);
}

}  // namespace

prometheus::MetricFamily counter_family(const char* name, const char* help) {
  return {name, help, prometheus::MetricType::Counter, {}};
}

prometheus::MetricFamily gauge_family(const char* name, const char* help) {
  return {name, help, prometheus::MetricType::Gauge, {}};
}

void add_counter(prometheus::MetricFamily& family, Labels labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

void add_gauge(prometheus::MetricFamily& family, Labels labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

Labels with(Labels labels, const char* name, const char* value) {
  labels.push_back({name, value});
  return labels;
}

ScoreboardSums sum_series(const control::Scoreboard& scoreboard) {
  ScoreboardSums sums;
  for (const control::WorkerSlot& slot : scoreboard.layout().workers) {
    for (const control::Series& series : slot.series) {
      const std::uint64_t id = series.version_id.load(std::memory_order_acquire);
      if (id != 0) add(sums.versions[id], series);
    }
    add(sums.others, slot.others);
  }
  return sums;
}

prometheus::ClientMetric inspection_histogram(const Labels& labels, const SeriesSum& sum) {
  prometheus::ClientMetric metric;
  metric.label = labels;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < sum.buckets.size(); ++i) {
    count += sum.buckets[i];
    const double bound = i < std::size(control::kInspectionBoundsNs)
                             ? static_cast<double>(control::kInspectionBoundsNs[i]) / kNanosecondsPerSecond
                             : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({count, bound});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(sum.sum_ns) / kNanosecondsPerSecond;
  return metric;
}

}  // namespace secbeat::agent
