// GET /api/v1/wasm/errors, /api/v1/requests, /metrics, /healthz, /readyz
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api_documents.hpp"
#include "api_http.hpp"
#include "api_routes.hpp"
#include "metrics.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kDefaultWindow = 300s;

// Where errors of this kind are counted; null for a kind of a newer worker.
std::uint64_t* total_of(ErrorTotals& totals, std::string_view kind) {
  const std::pair<std::string_view, std::uint64_t*> places[] = {{"trap", &totals.trap},
                                                                {"deadline", &totals.deadline},
                                                                {"memory", &totals.memory},
                                                                {"bad_verdict", &totals.bad_verdict},
                                                                {"no_instance", &totals.no_instance}};
  for (const auto& [word, place] : places) {
    if (word == kind) return place;
  }
  return nullptr;
}

// Why the node is not ready; empty where nothing is seen to be wrong.
std::vector<std::string> reasons_against(const ApiContext& context) {
  std::vector<std::string> reasons;
  const control::InForce in_force = context.reloader.in_force();
  const bool serves = std::ranges::any_of(in_force.slots, [](const control::Slot& slot) { return slot.current != 0; });
  if (!serves)
    reasons.emplace_back("no module is in force; load one with POST /api/v1/wasm/load, or roll a removed one back");
  const auto workers = context.hub.workers();
  if (workers.empty()) reasons.emplace_back("no worker is there");
  for (const WorkerStatus& worker : workers) {
    if (worker.generation < in_force.generation) {
      reasons.push_back(fmt::format("worker {} serves generation {}, not {}{}", worker.pid, worker.generation,
                                    in_force.generation, worker.connected ? "" : ", and is not connected"));
    }
  }
  if (context.supervisor != nullptr && context.supervisor->status().master_pid == 0) {
    reasons.emplace_back("nginx is not running");
  }
  return reasons;
}

}  // namespace

HttpResponse handle_errors(const ApiContext& context, HttpRequest& request) {
  const auto limit = read_limit(request);
  if (!limit) return limit.error();
  const SystemTime now = context.clock.now();
  SystemTime since = now - kDefaultWindow;
  if (const auto text = request.parameter("since")) {
    const auto moment = read_since(*text, now);
    if (!moment) return moment.error();
    since = *moment;
  }
  const auto name = request.parameter("name");
  const auto version = request.parameter("version");
  const auto module = name ? std::optional<std::string>(*name) : std::nullopt;
  auto rows = context.events.errors(module, std::nullopt, since, EventLog::kMaxErrors);
  if (module && rows.empty() && context.reloader.in_force().find(*module) == nullptr) {
    const auto known = context.reloader.version(module);
    if (!known && known.error().error.code == ErrorCode::kUnknownModule) return failure_response(known.error());
  }

  ErrorPage answer;
  answer.module = module;
  answer.version = version ? std::optional<std::string>(*version) : std::nullopt;
  answer.window_seconds =
      std::chrono::floor<std::chrono::seconds>(std::max(now - since, SystemTime::duration(0))).count();
  for (ErrorRow& row : rows) {
    std::string label = context.reloader.label_of(row.version_id);
    if (version && label != *version) continue;
    if (std::uint64_t* total = total_of(answer.totals, row.kind)) *total += row.in_window;
    if (answer.errors.size() < *limit) answer.errors.push_back({std::move(row), std::move(label)});
  }
  return json_response(to_document(answer));
}

HttpResponse handle_requests(const ApiContext& context, HttpRequest& request) {
  const auto page = read_page(request);
  if (!page) return page.error();
  std::optional<std::string> verdict;
  if (const auto text = request.parameter("verdict")) {
    verdict = *text;
    if (std::ranges::find(kVerdictWords, *text) == std::end(kVerdictWords)) {
      return error_response({ErrorCode::kBadRequest, fmt::format("\"verdict\" must be one of {}, not \"{}\"",
                                                                 fmt::join(kVerdictWords, ", "), shown(*text))},
                            {{"field", "verdict"}, {"known", kVerdictWords}});
    }
  }
  RequestPage answer;
  for (RequestRow& row : context.events.requests(verdict, page->limit, page->before)) {
    std::string label = context.reloader.label_of(row.version_id);
    answer.requests.push_back({std::move(row), std::move(label)});
  }
  if (answer.requests.size() == page->limit) answer.next_before = answer.requests.back().row.id;
  return json_response(to_document(answer));
}

HttpResponse handle_metrics(const ApiContext& context, HttpRequest&) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = render_metrics(context);
  return response;
}

HttpResponse handle_healthz(const ApiContext&, HttpRequest&) { return json_response(to_document(Health{"ok"})); }

HttpResponse handle_readyz(const ApiContext& context, HttpRequest&) {
  if (context.reloader.ready()) return json_response(to_document(Health{"ready"}));
  auto reasons = reasons_against(context);
  if (reasons.empty()) reasons.emplace_back("workers are being brought to what is in force");
  return error_response({ErrorCode::kNotReady, fmt::format("Not ready: {}", fmt::join(reasons, "; "))},
                        {{"status", "not_ready"}, {"reasons", reasons}});
}

}  // namespace secbeat::agent
