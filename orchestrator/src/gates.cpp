#include "gates.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace secbeat::orchestrator {
namespace {

double percent(std::uint64_t part, std::uint64_t whole) {
  constexpr double kPercent = 100;
  return whole == 0 ? 0 : kPercent * static_cast<double>(part) / static_cast<double>(whole);
}

double ms(std::uint64_t ns) {
  constexpr double kNs = 1e6;
  return static_cast<double>(ns) / kNs;
}

std::string words(std::string_view what, double wave, const std::vector<double>& references, std::string_view unit) {
  std::string text = fmt::format("{} of the wave: {:.2f} {}, against", what, wave, unit);
  for (const double reference : references) text += fmt::format(" {:.2f}", reference);
  return text + fmt::format(" {} before or elsewhere", unit);
}

}  // namespace

void Totals::add(const fleet::Counts& counts) {
  requests += std::max(counts.inspected, counts.errors);
  stopped += counts.blocked + counts.rate_limited;
  errors += counts.errors;
  p99_ns = std::max(p99_ns, counts.p99_ns);
}

fleet::Counts since(const fleet::Counts& earlier, const fleet::Counts& later) {
  const bool counts_on = later.inspected >= earlier.inspected && later.blocked >= earlier.blocked &&
                         later.rate_limited >= earlier.rate_limited && later.errors >= earlier.errors;
  if (!counts_on) return later;
  return {.inspected = later.inspected - earlier.inspected,
          .blocked = later.blocked - earlier.blocked,
          .rate_limited = later.rate_limited - earlier.rate_limited,
          .errors = later.errors - earlier.errors,
          .p99_ns = later.p99_ns};
}

std::optional<std::string> judge(const GateLimits& limits, const Totals& wave, const Totals& baseline,
                                 const Totals& others) {
  std::vector<Totals> references;
  for (const Totals& totals : {baseline, others}) {
    if (totals.requests >= limits.min_baseline_requests) references.push_back(totals);
  }
  const auto all = [&](auto of, auto surpasses) {
    return std::ranges::all_of(references, [&](const Totals& totals) { return surpasses(of(totals)); });
  };
  const auto values = [&](auto of) {
    std::vector<double> list;
    for (const Totals& totals : references) list.push_back(of(totals));
    return list;
  };

  const auto error_share = [](const Totals& totals) { return percent(totals.errors, totals.requests); };
  const double errors = error_share(wave);
  // Needs nothing to be held against: a version without errors is the rule.
  if (wave.errors >= limits.min_errors && errors >= limits.error_percent &&
      all(error_share, [&](double share) { return errors > share + limits.error_percent / 2; })) {
    return references.empty() ? fmt::format("errors of the wave: {} in {} requests", wave.errors, wave.requests)
                              : words("errors", errors, values(error_share), "%");
  }
  if (wave.requests < limits.min_requests || references.empty()) return std::nullopt;

  const auto stopped_share = [](const Totals& totals) { return percent(totals.stopped, totals.requests); };
  const double stopped = stopped_share(wave);
  if (limits.block_percent > 0 &&
      all(stopped_share, [&](double share) { return stopped > share + limits.block_percent; })) {
    return words("blocked or rate-limited requests", stopped, values(stopped_share), "%");
  }
  const auto p99 = [](const Totals& totals) { return ms(totals.p99_ns); };
  const double longest = p99(wave);
  if (limits.p99_factor > 0 && wave.p99_ns > limits.p99_floor_ns &&
      all(p99, [&](double before) { return before > 0 && longest > before * limits.p99_factor; })) {
    return words("p99 of inspection", longest, values(p99), "ms");
  }
  return std::nullopt;
}

}  // namespace secbeat::orchestrator
