// GET /metrics
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "fleet_context.hpp"

namespace secbeat::orchestrator {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void add(std::vector<MetricFamily>& families, const char* name, const char* help,
         const std::vector<std::pair<std::vector<ClientMetric::Label>, double>>& values) {
  MetricFamily family{name, help, MetricType::Gauge, {}};
  for (const auto& [labels, value] : values) {
    ClientMetric metric;
    metric.label = labels;
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  families.push_back(std::move(family));
}

void add_nodes(std::vector<MetricFamily>& families, const std::vector<fleet::NodeStatus>& nodes) {
  const auto ready = std::ranges::count_if(nodes, &fleet::NodeStatus::ready);
  const auto drifts = std::ranges::count_if(nodes, [](const fleet::NodeStatus& node) {
    return std::ranges::any_of(node.modules, [](const fleet::ModuleStatus& module) { return !module.drift.empty(); });
  });
  add(families, "secbeat_fleet_nodes", "Nodes that report.", {{{}, static_cast<double>(nodes.size())}});
  add(families, "secbeat_fleet_nodes_ready", "Of them, those whose workers all serve what is in force there.",
      {{{}, static_cast<double>(ready)}});
  add(families, "secbeat_fleet_nodes_drifting", "Of them, those that serve something else than is desired.",
      {{{}, static_cast<double>(drifts)}});
}

void add_rollouts(std::vector<MetricFamily>& families, const std::vector<fleet::Rollout>& rollouts) {
  std::map<std::string, double> by_state;
  for (const fleet::Rollout& rollout : rollouts) ++by_state[std::string(fleet::word_of(rollout.state))];
  std::vector<std::pair<std::vector<ClientMetric::Label>, double>> values;
  for (const auto& [state, number] : by_state) values.push_back({{{"state", state}}, number});
  add(families, "secbeat_fleet_rollouts", "Rollouts that are kept, by state.", values);
}

void add_archive(std::vector<MetricFamily>& families, const FleetContext& context) {
  const FleetArchive* archive = context.archive == nullptr ? nullptr : context.archive->load();
  if (archive == nullptr) return;
  const FleetArchiveStatus status = archive->status();
  add(families, "secbeat_archive_pending", "Versions and desired states that wait to be archived.",
      {{{}, static_cast<double>(status.pending)}});
  add(families, "secbeat_archive_reached", "1: the last look at what is to be archived went well.",
      {{{}, status.error.empty() ? 1.0 : 0.0}});
  MetricFamily stored{"secbeat_archive_stored_total",
                      "Versions and desired states that were archived, again included.",
                      MetricType::Counter,
                      {}};
  stored.metric.emplace_back().counter.value = static_cast<double>(status.archived);
  families.push_back(std::move(stored));
  MetricFamily failed{"secbeat_archive_failures_total", "Attempts to archive that failed.", MetricType::Counter, {}};
  failed.metric.emplace_back().counter.value = static_cast<double>(status.failures);
  families.push_back(std::move(failed));
}

}  // namespace

HttpResponse handle_metrics(const FleetContext& context, HttpRequest&) {
  std::vector<MetricFamily> families;
  add(families, "secbeat_orchestrator_connected", "1: NATS is reached.",
      {{{}, context.connection.connected() ? 1.0 : 0.0}});
  // What cannot be asked for is left out; that it cannot is the first metric.
  if (const auto nodes = context.rollouts.nodes()) add_nodes(families, *nodes);
  if (const auto desired = context.rollouts.desired()) {
    add(families, "secbeat_fleet_desired_revision", "Of the desired state; it only grows.",
        {{{}, static_cast<double>(desired->revision)}});
  }
  if (const auto rollouts = context.rollouts.list()) add_rollouts(families, *rollouts);
  add_archive(families, context);
  std::ostringstream text;
  prometheus::TextSerializer{}.Serialize(text, families);
  HttpResponse response;
  response.body = text.str();
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace secbeat::orchestrator
