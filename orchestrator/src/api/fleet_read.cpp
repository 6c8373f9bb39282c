// GET /api/v1/{nodes,versions,rollouts}, /api/v1/wasm/history, /healthz, /readyz; POST /api/v1/rollouts/{id}/…
#include <fmt/format.h>

#include "fleet_context.hpp"
#include "fleet_documents.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::string_view kRolloutPath = "/api/v1/rollouts/";

OrRefusal<std::string> rollout_id(const HttpRequest& request) {
  const std::string_view rest = std::string_view(request.path).substr(kRolloutPath.size());
  const std::string_view id = rest.substr(0, rest.find('/'));
  constexpr std::size_t kLongest = 64;
  const bool plain = id.size() <= kLongest && id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == id.npos;
  if (plain) return std::string(id);
  return http::refuse(ErrorCode::kUnknownRollout, fmt::format("There is no rollout \"{}\"", http::shown(id)));
}

HttpResponse answer_rollout(const Result<fleet::Rollout>& rollout) {
  return rollout ? http::json_response(to_document(*rollout)) : http::error_response(rollout.error());
}

HttpResponse steer(const FleetContext& context, const HttpRequest& request,
                   Result<fleet::Rollout> (Rollouts::*what)(std::string_view)) {
  const auto id = rollout_id(request);
  return id ? answer_rollout((context.rollouts.*what)(*id)) : id.error();
}

}  // namespace

HttpResponse handle_nodes(const FleetContext& context, HttpRequest&) {
  auto nodes = context.rollouts.nodes();
  return nodes ? http::json_response(to_document(NodeList{*std::move(nodes)})) : http::error_response(nodes.error());
}

HttpResponse handle_versions(const FleetContext& context, HttpRequest&) {
  auto modules = context.rollouts.versions();
  return modules ? http::json_response(to_document(VersionList{*std::move(modules)}))
                 : http::error_response(modules.error());
}

HttpResponse handle_rollouts(const FleetContext& context, HttpRequest& request) {
  const auto limit = http::read_limit(request);
  if (!limit) return limit.error();
  auto rollouts = context.rollouts.list();
  if (!rollouts) return http::error_response(rollouts.error());
  if (rollouts->size() > *limit) rollouts->resize(*limit);
  return http::json_response(to_document(RolloutList{*std::move(rollouts)}));
}

HttpResponse handle_rollout(const FleetContext& context, HttpRequest& request) {
  const auto id = rollout_id(request);
  return id ? answer_rollout(context.rollouts.find(*id)) : id.error();
}

HttpResponse handle_pause(const FleetContext& context, HttpRequest& request) {
  return steer(context, request, &Rollouts::pause);
}
HttpResponse handle_resume(const FleetContext& context, HttpRequest& request) {
  return steer(context, request, &Rollouts::resume);
}
HttpResponse handle_abort(const FleetContext& context, HttpRequest& request) {
  return steer(context, request, &Rollouts::abort);
}

HttpResponse handle_history(const FleetContext& context, HttpRequest& request) {
  const auto limit = http::read_limit(request);
  if (!limit) return limit.error();
  const auto rollouts = context.rollouts.list();
  if (!rollouts) return http::error_response(rollouts.error());
  History history;
  for (const fleet::Rollout& rollout : *rollouts) {
    if (history.reloads.size() < *limit && fleet::has_ended(rollout.state)) history.reloads.push_back(rollout);
  }
  return http::json_response(to_document(history));
}

HttpResponse handle_healthz(const FleetContext&, HttpRequest&) {
  return http::json_response(to_document(Health{"ok"}));
}

HttpResponse handle_readyz(const FleetContext& context, HttpRequest&) {
  Json reasons = Json::array();
  if (!context.connection.connected()) reasons.push_back("NATS is not reached");
  if (!context.ready) reasons.push_back("the buckets of the fleet are not there yet");
  if (reasons.empty()) return http::json_response(to_document(Health{"ready"}));
  return http::error_response(
      {ErrorCode::kNotReady, "The orchestrator is not ready: " + reasons.front().get<std::string>()},
      {{"status", "not_ready"}, {"reasons", reasons}});
}

}  // namespace secbeat::orchestrator
