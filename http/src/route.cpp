#include "secbeat/http/route.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <set>

#include "secbeat/http/form.hpp"
#include "secbeat/http/multipart.hpp"

namespace secbeat::http {
namespace {

// A body of a few short fields; also what is read and thrown away with a GET.
constexpr std::size_t kSmallBody = std::size_t{64} * 1024;

// The part before the next slash, and what follows it.
std::pair<std::string_view, std::string_view> first_segment(std::string_view path) {
  const std::size_t slash = std::min(path.find('/', 1), path.size());
  return {path.substr(0, slash), path.substr(slash)};
}

bool matches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty() && !path.empty()) {
    const auto [wanted, wanted_rest] = first_segment(pattern);
    const auto [given, given_rest] = first_segment(path);
    if (wanted.starts_with("/{") ? given.size() < 2 : wanted != given) return false;
    pattern = wanted_rest;
    path = given_rest;
  }
  return pattern.empty() && path.empty();
}

bool serves(const Route& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

// A page of another site may make a browser send forms here, with whatever they hold; such requests carry
// where they come from. Programs send neither header.
bool is_from_another_site(const HttpRequest& request) {
  if (request.method == "GET" || request.method == "HEAD") return false;
  const auto site = request.header("sec-fetch-site");
  if (site && *site != "same-origin" && *site != "none") return true;
  const auto origin = request.header("origin");
  if (!origin) return false;
  const std::size_t scheme = origin->find("://");
  return scheme == std::string_view::npos || origin->substr(scheme + 3) != request.header("host").value_or("");
}

HttpResponse unsupported(std::string_view message) {
  return error_response({ErrorCode::kUnsupportedMediaType, std::string(message)});
}

OrRefusal<void> check_media_type(const Route& route, const HttpRequest& request) {
  if (route.body == BodyKind::kNone || !announces_body(request)) return {};
  if (const auto encoding = request.header("content-encoding"); encoding && *encoding != "identity") {
    return std::unexpected(unsupported("Content-Encoding is not supported; send the body as it is"));
  }
  const std::string_view type = request.header("content-type").value_or("");
  const std::string media = media_type(type);
  if (route.body == BodyKind::kJson) {
    if (media == "application/json") return {};
    return std::unexpected(unsupported("Content-Type must be application/json, such as curl --json @rule.json sends"));
  }
  if (route.body == BodyKind::kFields &&
      (media == "application/json" || media == "application/x-www-form-urlencoded")) {
    return {};
  }
  if (media != "multipart/form-data") {
    return std::unexpected(unsupported(
        route.body == BodyKind::kUpload
            ? "Content-Type must be multipart/form-data, such as curl -F file=@module.wasm sends"
            : "Content-Type must be application/json, application/x-www-form-urlencoded or multipart/form-data"));
  }
  if (const auto boundary = multipart_boundary(type); !boundary)
    return std::unexpected(error_response(boundary.error()));
  return {};
}

// What every route of this kind can answer.
void add_common(const Route& route, std::set<ErrorCode>& codes) {
  codes.insert({ErrorCode::kForbidden, ErrorCode::kUnknownField, ErrorCode::kTooLarge, ErrorCode::kShuttingDown});
  if (!route.query.empty()) codes.insert(ErrorCode::kBadRequest);
  if (!route.in_path.empty()) codes.insert(ErrorCode::kNotFound);
  if (route.role != Role::kNone) codes.insert({ErrorCode::kUnauthorized, ErrorCode::kRateLimited});
  if (route.lane != Lane::kInline) codes.insert(ErrorCode::kBusy);
  if (route.body == BodyKind::kNone) return;
  if (route.body == BodyKind::kJson) {
    codes.insert({ErrorCode::kBadRequest, ErrorCode::kUnsupportedMediaType, ErrorCode::kBadJson});
    return;
  }
  codes.insert({ErrorCode::kBadRequest, ErrorCode::kBadMultipart, ErrorCode::kUnsupportedMediaType});
  codes.insert(route.body == BodyKind::kUpload ? ErrorCode::kMissingFile : ErrorCode::kBadJson);
}

// The answer as the route's documentation has it. A code that is not in it is a fault of the table or of the handler;
// an error of the node itself is still told, as one.
HttpResponse as_documented(const Route& route, HttpResponse response) {
  if (!response.code) return response;
  const std::vector<ErrorCode> known = codes_of(route);
  if (std::ranges::find(known, *response.code) != known.end()) return response;
  if (response.status == 500) {
    return error_response({ErrorCode::kInternal, Json::parse(response.body).value("error", std::string())});
  }
  spdlog::error("api: {} answers {}, which is not documented", route.operation, word_of(*response.code));
  assert(false && "a route answers what its table entry does not name");
  return response;
}

}  // namespace

std::vector<ErrorCode> codes_of(const Route& route) {
  std::set<ErrorCode> codes(route.errors.begin(), route.errors.end());
  add_common(route, codes);
  return {codes.begin(), codes.end()};
}

std::vector<std::string_view> names_of(std::span<const Input> inputs) {
  std::vector<std::string_view> names;
  for (const Input& input : inputs) names.push_back(input.name);
  return names;
}

OrRefusal<const Route*> find_route(std::span<const Route> routes, std::string_view method, std::string_view path) {
  std::vector<std::string_view> allowed;
  // A path by its own name is no name that another path has room for: /rules/active is not the rule `active`.
  const bool is_literal = std::ranges::find(routes, path, &Route::path) != routes.end();
  for (const Route& route : routes) {
    if (is_literal ? route.path != path : !matches(route.path, path)) continue;
    if (serves(route, method)) return &route;
    allowed.push_back(route.method);
    if (route.method == "GET") allowed.emplace_back("HEAD");
  }
  if (allowed.empty()) {
    return refuse(ErrorCode::kNotFound,
                  fmt::format("There is nothing at {}; docs/api.md lists the paths", shown(path, 256)));
  }
  const std::string allow = fmt::format("{}", fmt::join(allowed, ", "));
  auto response = error_response({ErrorCode::kMethodNotAllowed, fmt::format("{} does not answer {}; use {}",
                                                                            shown(path, 256), shown(method), allow)});
  response.headers.emplace_back("Allow", allow);
  return std::unexpected(std::move(response));
}

std::size_t body_limit(const Route& route, const BodyLimits& limits) {
  if (route.body == BodyKind::kJson) return limits.document_bytes;
  return route.body == BodyKind::kUpload ? limits.module_bytes + limits.document_bytes + kSmallBody : kSmallBody;
}

static OrRefusal<void> refuse_by_head(const Route& route, const HttpRequest& request, const BodyLimits& limits) {
  if (is_from_another_site(request)) {
    return refuse(ErrorCode::kForbidden, "A page of another site sent this request; changes come from programs only");
  }
  if (auto query = check_query(request, names_of(route.query)); !query) return query;
  if (auto type = check_media_type(route, request); !type) return type;
  if (const auto text = request.header("content-length")) {
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
    if (error == std::errc::result_out_of_range || size > body_limit(route, limits)) {
      return std::unexpected(too_large(size == 0 ? std::nullopt : std::optional(size), route, limits));
    }
  }
  return {};
}

OrRefusal<void> check_head(const Route& route, const HttpRequest& request, const BodyLimits& limits) {
  auto checked = refuse_by_head(route, request, limits);
  if (!checked) return std::unexpected(as_documented(route, std::move(checked.error())));
  return checked;
}

HttpResponse too_large(std::optional<std::uint64_t> size, const Route& route, const BodyLimits& limits) {
  const std::size_t limit = body_limit(route, limits);
  const std::string has = size ? fmt::format("has {} bytes", *size) : fmt::format("is longer");
  const std::string why = route.body == BodyKind::kUpload
                              ? fmt::format("; a module may have {} of them (max_module_bytes)", limits.module_bytes)
                              : std::string();
  return error_response({ErrorCode::kTooLarge, fmt::format("The body {}; the limit is {} bytes{}", has, limit, why)},
                        {{"size_bytes", size ? Json(*size) : Json()}, {"limit_bytes", limit}});
}

bool announces_body(const HttpRequest& request) {
  const auto length = request.header("content-length");
  return request.header("transfer-encoding").has_value() || (length && *length != "0");
}

HttpResponse answer(const Route& route, const void* context, HttpRequest& request) noexcept {
  try {
    return as_documented(route, route.handler(context, request));
  } catch (const std::exception& error) {
    spdlog::error("api: {} failed: {}", route.path, error.what());
  } catch (...) {
    spdlog::error("api: {} failed", route.path);
  }
  return error_response(
      {ErrorCode::kInternal, "This call could not be answered; the log has the reason under its request id"});
}

}  // namespace secbeat::http
