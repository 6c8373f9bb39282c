// What the orchestrator's handlers work on, and the handlers.
//
// Thread safety: the context's members may be used from any thread.
#pragma once

#include <atomic>

#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/http/access.hpp"
#include "secbeat/http/form.hpp"
#include "secbeat/http/message.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/orchestrator/fleet_archive.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

using http::HttpRequest;
using http::HttpResponse;
using http::Json;
using http::OrRefusal;

struct FleetContext {
  fleet::Connection& connection;
  Rollouts& rollouts;
  FleetRules& rules;
  const Clock& clock;
  http::BodyLimits limits;
  const std::atomic<bool>& ready;     // the buckets are there
  const std::atomic<bool>& stopping;  // calls that wait for a rollout end, and the rollout does not
  std::atomic<int>& waiting;          // how many of them wait for rollouts that observe
  const http::Access* access = nullptr;
  const std::atomic<const FleetArchive*>* archive = nullptr;  // what it points to: null where there is none
};

// fleet_change.cpp
HttpResponse handle_reload_fleet(const FleetContext& context, HttpRequest& request);
HttpResponse handle_rollback_fleet(const FleetContext& context, HttpRequest& request);
HttpResponse handle_sync(const FleetContext& context, HttpRequest& request);

// fleet_read.cpp
HttpResponse handle_nodes(const FleetContext& context, HttpRequest& request);
HttpResponse handle_versions(const FleetContext& context, HttpRequest& request);
HttpResponse handle_rollouts(const FleetContext& context, HttpRequest& request);
HttpResponse handle_rollout(const FleetContext& context, HttpRequest& request);
HttpResponse handle_pause(const FleetContext& context, HttpRequest& request);
HttpResponse handle_resume(const FleetContext& context, HttpRequest& request);
HttpResponse handle_abort(const FleetContext& context, HttpRequest& request);
HttpResponse handle_history(const FleetContext& context, HttpRequest& request);
HttpResponse handle_healthz(const FleetContext& context, HttpRequest& request);
HttpResponse handle_readyz(const FleetContext& context, HttpRequest& request);

// fleet_rules_api.cpp
HttpResponse handle_rules(const FleetContext& context, HttpRequest& request);
HttpResponse handle_rule(const FleetContext& context, HttpRequest& request);
HttpResponse handle_add_rule(const FleetContext& context, HttpRequest& request);
HttpResponse handle_deploy_rule(const FleetContext& context, HttpRequest& request);
HttpResponse handle_remove_rule(const FleetContext& context, HttpRequest& request);
HttpResponse handle_active_rules(const FleetContext& context, HttpRequest& request);
HttpResponse handle_rule_stats(const FleetContext& context, HttpRequest& request);

// fleet_metrics.cpp
HttpResponse handle_metrics(const FleetContext& context, HttpRequest& request);

// fleet_table.cpp
HttpResponse handle_openapi(const FleetContext& context, HttpRequest& request);
const http::Service& orchestrator_service();

}  // namespace secbeat::orchestrator
