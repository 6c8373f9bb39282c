// POST /api/v1/{freeze,unfreeze,bypass,drill}, GET /api/v1/break-glass
#include <fmt/format.h>

#include <algorithm>

#include "api_documents.hpp"
#include "api_http.hpp"
#include "api_routes.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxGlassReasonBytes = 900;  // with an end it still fits into the scoreboard
// A freeze that is to end by itself ends within a year.
constexpr seconds kMaxFreeze{366LL * 24 * 3600};

// Reason and time, for what `standard` says where no reason is given.
OrRefusal<GlassDemand> read_demand(HttpRequest& request, std::string_view standard, seconds longest,
                                   std::optional<seconds>& lasts) {
  auto form = read_any_form(request, names_of(request.route->fields));
  if (!form) return std::unexpected(form.error());
  auto reason = take_text(*form, "reason", kMaxGlassReasonBytes);
  if (!reason) return std::unexpected(reason.error());
  GlassDemand demand{.reason = reason->value_or(std::string(standard)), .origin = origin_of(request)};
  const auto text = take(*form, "ttl_seconds");
  if (!text) return demand;
  const auto number = whole_number<std::int64_t>(*text);
  if (!number || *number < 0 || *number > longest.count()) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("\"ttl_seconds\" must be a whole number of seconds, at most {}, not \"{}\"",
                              longest.count(), shown(*text)),
                  {{"field", "ttl_seconds"}});
  }
  lasts = seconds(*number);
  return demand;
}

}  // namespace

HttpResponse handle_freeze(const ApiContext& context, HttpRequest& request) {
  std::optional<seconds> lasts;
  auto demand = read_demand(request, "Manual freeze", kMaxFreeze, lasts);
  if (!demand) return demand.error();
  demand->lasts = lasts.value_or(seconds(0));
  return json_response(to_document(context.glass->freeze(*demand)));
}

HttpResponse handle_unfreeze(const ApiContext& context, HttpRequest& request) {
  std::optional<seconds> lasts;
  const auto demand = read_demand(request, "Manual unfreeze", kMaxFreeze, lasts);
  if (!demand) return demand.error();
  return json_response(to_document(context.glass->unfreeze(*demand)));
}

HttpResponse handle_bypass(const ApiContext& context, HttpRequest& request) {
  std::optional<seconds> lasts;
  auto demand = read_demand(request, "Manual bypass", control::kMaxBypass, lasts);
  if (!demand) return demand.error();
  demand->lasts = lasts.value_or(kUsualBypass);
  const bool ends = demand->lasts.count() == 0;
  return json_response(to_document(ends ? context.glass->end_bypass(*demand) : context.glass->bypass(*demand)));
}

HttpResponse handle_break_glass(const ApiContext& context, HttpRequest& /*request*/) {
  return json_response(to_document(context.glass->view()));
}

HttpResponse handle_drill(const ApiContext& context, HttpRequest& /*request*/) {
  DrillReport report{.healthy = true, .checks = context.glass->drill()};
  report.healthy =
      std::ranges::find(report.checks, DrillHealth::kFailure, &DrillFinding::health) == report.checks.end();
  return json_response(to_document(report));
}

}  // namespace secbeat::agent
