// GET, PUT, POST /api/v1/rules; GET, PUT, DELETE /api/v1/rules/{id}
#include <fmt/format.h>

#include "api_documents.hpp"
#include "api_http.hpp"
#include "api_routes.hpp"
#include "rules/rule_book.hpp"
#include "rules_schema.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMaxRuleReasonBytes = 1000;

HttpResponse with_etag(HttpResponse response, const std::string& etag) {
  response.headers.emplace_back("ETag", etag);
  return response;
}

OrRefusal<std::string> read_rule_id(const HttpRequest& request) {
  std::string id = request.path.substr(request.path.rfind('/') + 1);
  if (is_rule_id(id)) return id;
  return refuse(
      ErrorCode::kBadRequest,
      fmt::format("\"{}\" cannot name a rule: 1 to 100 letters, digits and characters of - _ . :", shown(id)));
}

OrRefusal<RuleJson> read_json_body(const HttpRequest& request) {
  if (request.body.empty()) return refuse(ErrorCode::kBadJson, "The request has no body; send the rule as JSON");
  auto json = parse_rule_text(request.body);
  if (!json) return std::unexpected(error_response(json.error()));
  return *std::move(json);
}

// What every change has: who, why, and what they have read before.
OrRefusal<RuleEdit> read_edit(HttpRequest& request, RuleEdit::Kind kind) {
  Form query;
  if (const auto reason = request.parameter("reason")) query.emplace("reason", *reason);
  auto reason = take_text(query, "reason", kMaxRuleReasonBytes);
  if (!reason) return std::unexpected(reason.error());
  RuleEdit edit;
  edit.kind = kind;
  edit.reason = reason->value_or("");
  request.reason = edit.reason;
  edit.origin = origin_of(request);
  edit.received = request.received;
  if (const auto if_match = request.header("if-match")) edit.if_match = *if_match;
  return edit;
}

HttpResponse answer_edit(const ApiContext& context, const RuleEdit& edit) {
  const auto change = context.rules->change(edit);
  if (!change) return failure_response(change.error());
  return with_etag(json_response(to_document(*change)), change->etag);
}

// Of POST and of PUT by id.
HttpResponse handle_one(const ApiContext& context, HttpRequest& request, RuleEdit::Kind kind, std::string id) {
  auto edit = read_edit(request, kind);
  if (!edit) return edit.error();
  auto json = read_json_body(request);
  if (!json) return json.error();
  auto rule = rule_on_receipt(*std::move(json), context.clock.now());
  if (!rule) return error_response(rule.error());
  edit->id = std::move(id);
  edit->json = *std::move(rule);
  return answer_edit(context, *edit);
}

}  // namespace

HttpResponse handle_rules_schema(const ApiContext& /*context*/, HttpRequest& /*request*/) {
  return json_response(Json::parse(rules_schema()));
}

HttpResponse handle_rules(const ApiContext& context, HttpRequest& /*request*/) {
  const auto now = context.rules->in_force();
  if (!now) return failure_response(now.error());
  return with_etag(json_response(now->document.json()), now->etag);
}

HttpResponse handle_rule(const ApiContext& context, HttpRequest& request) {
  const auto id = read_rule_id(request);
  if (!id) return id.error();
  const auto now = context.rules->in_force();
  if (!now) return failure_response(now.error());
  const RuleJson* rule = now->document.find(*id);
  if (rule == nullptr) {
    return error_response(
        {ErrorCode::kUnknownRule, fmt::format("There is no rule \"{}\"; GET /api/v1/rules lists them", *id)});
  }
  return with_etag(json_response(*rule), etag_of_rule(*rule));
}

HttpResponse handle_add_rule(const ApiContext& context, HttpRequest& request) {
  return handle_one(context, request, RuleEdit::Kind::kAdd, {});
}

HttpResponse handle_put_rule(const ApiContext& context, HttpRequest& request) {
  auto id = read_rule_id(request);
  if (!id) return id.error();
  return handle_one(context, request, RuleEdit::Kind::kReplace, *std::move(id));
}

HttpResponse handle_put_rules(const ApiContext& context, HttpRequest& request) {
  auto edit = read_edit(request, RuleEdit::Kind::kAll);
  if (!edit) return edit.error();
  auto json = read_json_body(request);
  if (!json) return json.error();
  if (!edit->if_match) {
    return error_response({ErrorCode::kPreconditionRequired,
                           "All rules are replaced only with If-Match: send the ETag of GET /api/v1/rules, so that "
                           "nobody's change is lost, or * to replace whatever is there"});
  }
  if (!json->is_object() || !json->contains("rules") || !(*json)["rules"].is_array()) {
    return error_response({ErrorCode::kBadRule, "key \"rules\": is a list of rules, and has to be there"});
  }
  for (RuleJson& rule : (*json)["rules"]) {
    auto received = rule_on_receipt(std::move(rule), context.clock.now());
    if (!received) return error_response(received.error());
    rule = *std::move(received);
  }
  edit->json = *std::move(json);
  return answer_edit(context, *edit);
}

HttpResponse handle_remove_rule(const ApiContext& context, HttpRequest& request) {
  const auto id = read_rule_id(request);
  if (!id) return id.error();
  auto edit = read_edit(request, RuleEdit::Kind::kRemove);
  if (!edit) return edit.error();
  edit->id = *id;
  return answer_edit(context, *edit);
}

}  // namespace secbeat::agent
