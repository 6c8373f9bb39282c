// Method, path, query and headers of a call, before a byte of its body: they lead to a route or to a refusal that is
// JSON, only the key's own bytes give its role, and parameters are numbers and moments within their bounds.
#include <nlohmann/json.hpp>
#include <string>

#include "api_routes.hpp"
#include "fuzz_support.hpp"
#include "secbeat/base/files.hpp"

namespace {

using namespace secbeat::http;
using secbeat::parse_rfc3339;
using secbeat::rfc3339;
using secbeat::SteadyTime;
using secbeat::SystemTime;
using secbeat::fuzz::Pieces;
using secbeat::fuzz::require;

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

void require_refusal(const HttpResponse& response) {
  require(response.status >= 400 && response.status < 500 && response.code.has_value());
  const auto document = nlohmann::json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  require(document.is_object());
  const auto& error = document.at("error").get_ref<const std::string&>();
  require(error.size() <= 4096 && plain_text_length(error) == error.size());
  for (const auto& [name, value] : response.headers) require(value.find_first_of("\r\n") == std::string::npos);
}

void check_key(const Route* route, std::string_view authorization) {
  Access access("node", {ApiKey{.name = "admin", .role = Role::kAdmin, .sha256 = {secbeat::sha256_hex(kKey)}}});
  const Admission admission = access.admit(route, authorization, "192.0.2.1", SteadyTime{});
  if (admission.refusal) require_refusal(*admission.refusal);
  if (admission.caller.role == Role::kNone) return;
  require(authorization.size() >= kKey.size() + 7 && authorization.find(kKey) != std::string_view::npos);
}

// Without keys, who comes by a name is refused.
void check_name(const HttpRequest& request) {
  Access open("node", {});
  if (const auto refusal = open.refuse_name(request.header("host"))) require_refusal(*refusal);
}

void check_parameters(const HttpRequest& request) {
  if (const auto page = secbeat::agent::read_page(request); page) {
    require(page->limit >= 1 && page->limit <= 1000 && (!page->before || *page->before >= 1));
  } else {
    require_refusal(page.error());
  }
  for (const auto& [name, value] : request.query) {
    constexpr SystemTime kNow{std::chrono::milliseconds(1763946003000)};
    const auto since = read_since(value, kNow);
    if (!since) {
      require_refusal(since.error());
    } else if (const auto ms = since->time_since_epoch().count(); ms >= 0 && ms < 253402300799000) {
      const auto again = parse_rfc3339(rfc3339(*since));
      require(again && *again == std::chrono::floor<std::chrono::seconds>(*since));
    }
    const std::string text = shown(value);
    require(text.size() <= 4 * 64 + 8 && plain_text_length(text) == text.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Pieces pieces(secbeat::fuzz::text_of(data, size));
  HttpRequest request;
  request.method = pieces.next();
  request.path = pieces.next();
  const std::string_view authorization = pieces.next();
  for (const char* name : {"content-type", "content-length", "content-encoding", "transfer-encoding", "origin", "host",
                           "sec-fetch-site"}) {
    if (const std::string_view value = pieces.next(); !value.empty()) request.headers[name] = value;
  }
  while (request.query.size() < 16 && !pieces.empty()) {
    const std::string_view name = pieces.next();
    request.query.emplace_back(name, pieces.next());
  }
  const auto route = find_route(secbeat::agent::all_routes(), request.method, request.path);
  check_key(route ? *route : nullptr, authorization);
  check_name(request);
  if (!route) {
    require_refusal(route.error());
  } else if (const auto head = check_head(**route, request, BodyLimits{}); !head) {
    require_refusal(head.error());
  }
  check_parameters(request);
  return 0;
}
