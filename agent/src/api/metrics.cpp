#include "metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>

#include "api_http.hpp"
#include "metrics_process.hpp"
#include "metrics_series.hpp"
#include "secbeat/http/tls.hpp"

namespace secbeat::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// In the order of the scoreboard's arrays.
constexpr std::array<const char*, control::kVerdicts> kVerdictLabels = {"allow", "block", "log", "rate_limit"};
constexpr std::array<const char*, control::kErrorKinds> kErrorLabels = {"trap", "deadline", "memory", "bad_verdict",
                                                                        "no_instance"};

void add_reloads(std::vector<MetricFamily>& families, const ApiContext& context, const control::InForce& in_force) {
  std::vector<ReloadTotals> totals = context.reloader.totals();
  for (const control::Slot& slot : in_force.slots) {
    const bool known = std::ranges::find(totals, slot.name, &ReloadTotals::module) != totals.end();
    if (!known) totals.push_back({slot.name, 0, 0, 0, {}});
  }
  MetricFamily finished = counter_family("wasm_reload_total", "Finished reloads and rollbacks, failed ones included.");
  MetricFamily failed = counter_family("wasm_reload_failures_total", "Reloads and rollbacks that failed.");
  MetricFamily duration = gauge_family("wasm_reload_duration_seconds", "Duration of the last reload or rollback.");
  for (const ReloadTotals& row : totals) {
    add_counter(finished, {{"module", row.module}}, static_cast<double>(row.finished));
    add_counter(failed, {{"module", row.module}}, static_cast<double>(row.failed));
    add_gauge(duration, {{"module", row.module}}, row.last_duration_seconds);
  }
  families.insert(families.end(), {std::move(finished), std::move(failed), std::move(duration)});
}

void add_stages(std::vector<MetricFamily>& families, const ApiContext& context) {
  MetricFamily family =
      gauge_family("secbeat_reload_stage_seconds", "Duration of each stage of the last reload, of whichever module.");
  const auto newest = context.reloader.history(std::nullopt, Page{1, std::nullopt});
  const Stages stages = newest && !newest->empty() ? newest->front().stages : Stages{};
  const std::pair<const char*, double> rows[] = {{"receive", stages.receive_ms}, {"validate", stages.validate_ms},
                                                 {"compile", stages.compile_ms}, {"rehearse", stages.rehearse_ms},
                                                 {"stage", stages.stage_ms},     {"swap", stages.swap_ms},
                                                 {"total", stages.total_ms}};
  for (const auto& [stage, ms] : rows) add_gauge(family, {{"stage", stage}}, ms / 1000);
  families.push_back(std::move(family));
}

struct SeriesFamilies {
  MetricFamily requests = counter_family("secbeat_requests_total", "Inspections by module, version and verdict.");
  MetricFamily times{"secbeat_inspection_seconds", "Time of one inspection.", MetricType::Histogram, {}};
  MetricFamily errors = counter_family("secbeat_wasm_errors_total", "Inspections that failed, by kind of error.");

  void add(const Labels& labels, const SeriesSum& sum) {
    for (std::size_t i = 0; i < kVerdictLabels.size(); ++i) {
      add_counter(requests, with(labels, "verdict", kVerdictLabels[i]), static_cast<double>(sum.verdicts[i]));
    }
    for (std::size_t i = 0; i < kErrorLabels.size(); ++i) {
      add_counter(errors, with(labels, "kind", kErrorLabels[i]), static_cast<double>(sum.errors[i]));
    }
    times.metric.push_back(inspection_histogram(labels, sum));
  }
};

void add_series(std::vector<MetricFamily>& families, const ApiContext& context, const control::InForce& in_force) {
  const ScoreboardSums sums = sum_series(context.scoreboard);
  SeriesFamilies series;
  for (const control::Slot& slot : in_force.slots) {
    for (const control::Version& version : slot.versions) {
      const auto found = sums.versions.find(version.id);
      series.add({{"module", slot.name}, {"version", version.label}},
                 found == sums.versions.end() ? SeriesSum{} : found->second);
    }
  }
  if (sums.others != SeriesSum{}) {
    series.add({{"module", std::string(kOtherModules)}, {"version", std::string(kOtherModules)}}, sums.others);
  }
  families.insert(families.end(), {std::move(series.requests), std::move(series.times), std::move(series.errors)});
}

void add_versions(std::vector<MetricFamily>& families, const control::InForce& in_force) {
  MetricFamily info = gauge_family("secbeat_module_info", "1 for the version of each module that is in force.");
  MetricFamily loaded = gauge_family("secbeat_versions_loaded", "Versions that workers hold ready, over all modules.");
  std::size_t count = 0;
  for (const control::Slot& slot : in_force.slots) {
    count += slot.versions.size();
    if (const control::Version* current = slot.current_version(); current != nullptr) {
      add_gauge(info, {{"module", slot.name}, {"version", current->label}, {"sha256", current->sha256}}, 1);
    }
  }
  add_gauge(loaded, {}, static_cast<double>(count));
  families.insert(families.end(), {std::move(info), std::move(loaded)});
}

void add_costs(std::vector<MetricFamily>& families, const ApiContext& context) {
  MetricFamily cost = gauge_family("secbeat_module_cost_fuel",
                                   "Fuel of the most expensive sample request of the version that is in force.");
  for (const CostInForce& of : context.reloader.costs()) {
    add_gauge(cost, {{"module", of.module}, {"version", of.version}}, static_cast<double>(of.fuel));
  }
  families.push_back(std::move(cost));
}

void add_workers(std::vector<MetricFamily>& families, const ApiContext& context, const control::InForce& in_force) {
  std::map<std::string, int> states{{"serving", 0}, {"outdated", 0}, {"disconnected", 0}};
  for (const WorkerStatus& worker : context.hub.workers()) {
    ++states[!worker.connected ? "disconnected" : worker.generation >= in_force.generation ? "serving" : "outdated"];
  }
  MetricFamily family = gauge_family("secbeat_workers", "nginx workers by what they serve.");
  for (const auto& [state, count] : states) add_gauge(family, {{"state", state}}, count);
  families.push_back(std::move(family));
}

void add_node(std::vector<MetricFamily>& families, const ApiContext& context) {
  std::uint64_t dropped = 0;
  std::uint64_t details = 0;
  for (const control::WorkerSlot& slot : context.scoreboard.layout().workers) {
    dropped += slot.events_dropped.load(std::memory_order_relaxed);
    details += slot.details_dropped.load(std::memory_order_relaxed);
  }
  MetricFamily events = counter_family("secbeat_events_dropped_total", "Events that workers dropped for want of room.");
  add_counter(events, {}, static_cast<double>(dropped));
  MetricFamily unread = counter_family("secbeat_verdict_details_dropped_total",
                                       "Verdict details that pointed outside the guest's memory, or trapped.");
  add_counter(unread, {}, static_cast<double>(details));
  MetricFamily restarts = counter_family("secbeat_nginx_restarts_total", "Restarts of nginx after it died.");
  const std::uint64_t count = context.supervisor == nullptr ? 0 : context.supervisor->status().restarts;
  add_counter(restarts, {}, static_cast<double>(count));
  MetricFamily build = gauge_family("secbeat_build_info", "1; the version of this build is a label.");
  add_gauge(build, {{"version", SECBEAT_VERSION}}, 1);
  families.insert(families.end(), {std::move(events), std::move(unread), std::move(restarts), std::move(build)});
}

void add_watch(std::vector<MetricFamily>& families, const ApiContext& context, const control::InForce& in_force) {
  if (context.watch == nullptr) return;
  const std::vector<std::string> running = context.watch->running();
  const std::vector<AutoRollbacks> rollbacks = context.watch->rollbacks();
  MetricFamily watched = gauge_family("secbeat_watch_running", "1 while a new version of the module is watched.");
  MetricFamily taken_back =
      counter_family("secbeat_auto_rollbacks_total", "Versions of the module that were taken back automatically.");
  for (const control::Slot& slot : in_force.slots) {
    const bool is_running = std::ranges::find(running, slot.name) != running.end();
    const auto count = std::ranges::find(rollbacks, slot.name, &AutoRollbacks::module);
    add_gauge(watched, {{"module", slot.name}}, is_running ? 1 : 0);
    add_counter(taken_back, {{"module", slot.name}}, count == rollbacks.end() ? 0 : static_cast<double>(count->count));
  }
  families.insert(families.end(), {std::move(watched), std::move(taken_back)});
}

void add_access(std::vector<MetricFamily>& families, const ApiContext& context) {
  if (context.access == nullptr) return;
  const Access::Refused refused = context.access->refused();
  MetricFamily family = counter_family("secbeat_api_refused_total",
                                       "Calls of the API without a right key, with one whose role does not reach, and "
                                       "those turned away unlooked at for too many of the first.");
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"unauthorized", refused.unauthorized}, {"forbidden", refused.forbidden}, {"rate_limited", refused.limited}};
  for (const auto& [code, count] : rows) add_counter(family, {{"code", code}}, static_cast<double>(count));
  families.push_back(std::move(family));
  const auto certificate = context.certificate == nullptr ? nullptr : context.certificate->get();
  if (!certificate) return;
  const std::chrono::duration<double> expires = certificate->expires.time_since_epoch();
  MetricFamily until =
      gauge_family("secbeat_api_certificate_expiry_timestamp_seconds", "When the API's certificate expires.");
  add_gauge(until, {}, expires.count());
  families.push_back(std::move(until));
}

// Rules come and go, and a module can name as many as it likes: those that decided most have series.
constexpr std::size_t kMaxRuleSeries = 1000;

std::uint64_t sum_of(const control::RuleVerdicts& verdicts) {
  return std::accumulate(verdicts.begin(), verdicts.end(), std::uint64_t{0});
}

void add_rules(std::vector<MetricFamily>& families, const ApiContext& context) {
  if (context.records == nullptr) return;
  std::vector<RuleTally> tallies = context.records->tallies();
  std::ranges::stable_sort(tallies, std::greater<>(), [](const RuleTally& tally) { return sum_of(tally.total); });
  MetricFamily left = gauge_family("secbeat_rules_without_series", "Rules that decided and are not in the metrics.");
  add_gauge(left, {}, static_cast<double>(tallies.size() - std::min(tallies.size(), kMaxRuleSeries)));
  if (tallies.size() > kMaxRuleSeries) tallies.resize(kMaxRuleSeries);
  MetricFamily verdicts = counter_family("secbeat_rule_verdicts_total", "Verdicts by the rule that the module names.");
  MetricFamily rest = counter_family("secbeat_rule_verdicts_uncounted_total",
                                     "Verdicts that are counted under no rule, for want of room.");
  const control::RuleVerdicts left_out = context.records->left_out();
  for (std::size_t i = 0; i < control::kRuleVerdicts; ++i) {
    const char* const word = kVerdictLabels.at(i + 1);
    add_counter(rest, {{"verdict", word}}, static_cast<double>(left_out.at(i)));
    for (const RuleTally& tally : tallies) {
      if (tally.total.at(i) == 0) continue;
      add_counter(verdicts, {{"module", tally.module}, {"rule", tally.rule}, {"verdict", word}},
                  static_cast<double>(tally.total.at(i)));
    }
  }
  families.insert(families.end(), {std::move(verdicts), std::move(left), std::move(rest)});
}

void add_break_glass(std::vector<MetricFamily>& families, const ApiContext& context) {
  if (context.glass == nullptr) return;
  const BreakGlassView view = context.glass->view();
  MetricFamily frozen = gauge_family("secbeat_frozen", "1 while changes of the rules are frozen.");
  add_gauge(frozen, {}, view.frozen ? 1 : 0);
  MetricFamily bypass = gauge_family("secbeat_bypass", "1 while every request passes uninspected.");
  add_gauge(bypass, {}, view.bypass ? 1 : 0);
  MetricFamily bypassed =
      counter_family("secbeat_requests_bypassed_total", "Requests that passed uninspected because of a bypass.");
  add_counter(bypassed, {}, static_cast<double>(view.requests_bypassed));
  MetricFamily held = gauge_family("secbeat_rollbacks_pending",
                                   "Modules that are decided by the version before, and not yet rolled back.");
  add_gauge(held, {}, static_cast<double>(view.taken_back.size()));
  families.insert(families.end(), {std::move(frozen), std::move(bypass), std::move(bypassed), std::move(held)});
}

void add_archive(std::vector<MetricFamily>& families, const ApiContext& context) {
  if (context.archive == nullptr) return;
  const ArchiveStatus status = context.archive->status();
  MetricFamily pending = gauge_family("secbeat_archive_pending", "Versions that wait to be archived.");
  add_gauge(pending, {}, static_cast<double>(status.pending));
  MetricFamily stored = counter_family("secbeat_archive_stored_total", "Versions that were archived, again included.");
  add_counter(stored, {}, static_cast<double>(status.archived));
  MetricFamily failed = counter_family("secbeat_archive_failures_total", "Attempts to archive a version that failed.");
  add_counter(failed, {}, static_cast<double>(status.failures));
  families.insert(families.end(), {std::move(pending), std::move(stored), std::move(failed)});
}

}  // namespace

std::string render_metrics(const ApiContext& context) {
  const control::InForce in_force = context.reloader.in_force();
  std::vector<MetricFamily> families;
  add_reloads(families, context, in_force);
  add_stages(families, context);
  add_series(families, context, in_force);
  add_versions(families, in_force);
  add_costs(families, context);
  add_workers(families, context, in_force);
  add_node(families, context);
  add_watch(families, context, in_force);
  add_rules(families, context);
  add_break_glass(families, context);
  add_archive(families, context);
  add_access(families, context);
  add_process(families);
  // A family without a sample would be a HELP and a TYPE of nothing.
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace secbeat::agent
