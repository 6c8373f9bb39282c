#include "figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>

namespace secbeat::agent {
namespace {

constexpr std::array<std::string_view, control::kErrorKinds> kKinds = {"trap", "deadline", "memory", "bad_verdict",
                                                                       "no_instance"};
constexpr std::size_t kAllow = 0;  // the verdicts' numbers
constexpr std::size_t kBlock = 1;
constexpr std::size_t kLog = 2;
constexpr std::size_t kRateLimit = 3;
constexpr double kNanosecondsPerMicrosecond = 1000;

template <std::size_t N>
std::uint64_t sum(const std::array<std::uint64_t, N>& counts) noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

template <std::size_t N>
void add(std::array<std::uint64_t, N>& to, const control::Counter (&counters)[N]) noexcept {
  for (std::size_t i = 0; i < N; ++i) to[i] += counters[i].load(std::memory_order_relaxed);
}

template <std::size_t N>
void increase(std::array<std::uint64_t, N>& to, const std::array<std::uint64_t, N>& by) noexcept {
  for (std::size_t i = 0; i < N; ++i) to[i] += by[i];
}

template <std::size_t N>
void decrease(std::array<std::uint64_t, N>& to, const std::array<std::uint64_t, N>& by) noexcept {
  for (std::size_t i = 0; i < N; ++i) to[i] -= std::min(to[i], by[i]);
}

}  // namespace

std::uint64_t Figures::requests() const noexcept { return sum(verdicts) + sum(errors); }

std::uint64_t Figures::failed() const noexcept { return sum(errors); }

double Figures::percent(std::uint64_t count) const noexcept {
  const std::uint64_t all = requests();
  return all == 0 ? 0 : 100.0 * static_cast<double>(count) / static_cast<double>(all);
}

double Figures::block_percent() const noexcept { return percent(verdicts[kBlock]); }

double Figures::rate_limit_percent() const noexcept { return percent(verdicts[kRateLimit]); }

std::optional<double> Figures::passed_per_second() const noexcept {
  if (time.count() <= 0) return std::nullopt;
  return static_cast<double>(verdicts[kAllow] + verdicts[kLog]) / std::chrono::duration<double>(time).count();
}

std::optional<double> Figures::p99_us() const noexcept {
  const std::uint64_t all = sum(buckets);
  if (all == 0) return std::nullopt;
  const double wanted = 0.99 * static_cast<double>(all);
  std::uint64_t below = 0;
  double lower = 0;
  for (std::size_t i = 0; i < std::size(control::kInspectionBoundsNs); ++i) {
    const auto upper = static_cast<double>(control::kInspectionBoundsNs[i]);
    const auto in_bucket = static_cast<double>(buckets[i]);
    if (static_cast<double>(below) + in_bucket >= wanted && buckets[i] > 0) {
      return (lower + (upper - lower) * (wanted - static_cast<double>(below)) / in_bucket) / kNanosecondsPerMicrosecond;
    }
    below += buckets[i];
    lower = upper;
  }
  return lower / kNanosecondsPerMicrosecond;
}

Figures operator-(const Figures& later, const Figures& earlier) noexcept {
  Figures difference = later;
  decrease(difference.verdicts, earlier.verdicts);
  decrease(difference.errors, earlier.errors);
  decrease(difference.buckets, earlier.buckets);
  difference.time -= std::min(difference.time, earlier.time);
  return difference;
}

Figures operator+(const Figures& one, const Figures& other) noexcept {
  Figures both = one;
  increase(both.verdicts, other.verdicts);
  increase(both.errors, other.errors);
  increase(both.buckets, other.buckets);
  both.time += other.time;
  return both;
}

Figures figures_of(const control::Scoreboard& scoreboard, std::uint64_t version_id) noexcept {
  Figures total;
  for (const control::WorkerSlot& slot : scoreboard.layout().workers) {
    if (slot.respawns.load(std::memory_order_relaxed) == 0) continue;  // nobody ever counted here
    for (const control::Series& series : slot.series) {
      if (series.version_id.load(std::memory_order_acquire) != version_id) continue;
      add(total.verdicts, series.verdicts);
      add(total.errors, series.errors);
      add(total.buckets, series.buckets);
      break;
    }
  }
  return total;
}

WatchFigures view_of(const Figures& figures) {
  return {.requests = figures.requests(),
          .trap = figures.errors[0],
          .deadline = figures.errors[1],
          .memory = figures.errors[2],
          .bad_verdict = figures.errors[3],
          .no_instance = figures.errors[4],
          .block_percent = figures.block_percent(),
          .rate_limit_percent = figures.rate_limit_percent(),
          .passed_per_second = figures.passed_per_second(),
          .p99_us = figures.p99_us()};
}

std::string errors_by_kind(const Figures& figures) {
  std::string text;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (figures.errors[i] == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", figures.errors[i], kKinds[i]);
  }
  return text;
}

}  // namespace secbeat::agent
