// GET /api/v1/wasm/errors, /api/v1/requests, /metrics, /healthz, /readyz
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "api_form.hpp"
#include "api_handlers.hpp"
#include "api_json.hpp"
#include "metrics.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kDefaultWindow = 300s;
constexpr std::array<std::string_view, 3> kVerdicts = {"block", "log", "rate_limit"};
constexpr std::array<std::string_view, 5> kErrorKinds = {"trap", "deadline", "memory", "bad_verdict", "no_instance"};

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
  const auto page = read_page(request);
  if (!page) return page.error();
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

  Json totals;
  for (const std::string_view kind : kErrorKinds) totals[kind] = 0;
  Json list = Json::array();
  for (const ErrorRow& row : rows) {
    const std::string label = context.reloader.label_of(row.version_id);
    if (version && label != *version) continue;
    if (totals.contains(row.kind)) totals[row.kind] = totals[row.kind].get<std::uint64_t>() + row.count;
    if (list.size() < page->limit) list.push_back(to_document(row, label));
  }
  const auto window = std::chrono::floor<std::chrono::seconds>(std::max(now - since, SystemTime::duration(0)));
  return json_response({{"module", name ? Json(*name) : Json()},
                        {"version", version ? Json(*version) : Json()},
                        {"window_seconds", window.count()},
                        {"totals", std::move(totals)},
                        {"errors", std::move(list)}});
}

HttpResponse handle_requests(const ApiContext& context, HttpRequest& request) {
  const auto page = read_page(request);
  if (!page) return page.error();
  std::optional<std::string> verdict;
  if (const auto text = request.parameter("verdict")) {
    verdict = *text;
    if (std::ranges::find(kVerdicts, *text) == kVerdicts.end()) {
      return error_response({ErrorCode::kBadRequest, fmt::format("\"verdict\" must be one of {}, not \"{}\"",
                                                                 fmt::join(kVerdicts, ", "), shown(*text))},
                            {{"field", "verdict"}, {"known", kVerdicts}});
    }
  }
  Json list = Json::array();
  for (const RequestRow& row : context.events.requests(verdict, page->limit)) {
    list.push_back(to_document(row, context.reloader.label_of(row.version_id)));
  }
  return json_response({{"requests", std::move(list)}});
}

HttpResponse handle_metrics(const ApiContext& context, HttpRequest&) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = render_metrics(context);
  return response;
}

HttpResponse handle_healthz(const ApiContext&, HttpRequest&) { return json_response({{"status", "ok"}}); }

HttpResponse handle_readyz(const ApiContext& context, HttpRequest&) {
  if (context.reloader.ready()) return json_response({{"status", "ready"}});
  auto reasons = reasons_against(context);
  if (reasons.empty()) reasons.emplace_back("workers are being brought to what is in force");
  return error_response({ErrorCode::kNotReady, fmt::format("Not ready: {}", fmt::join(reasons, "; "))},
                        {{"status", "not_ready"}, {"reasons", reasons}});
}

}  // namespace secbeat::agent
