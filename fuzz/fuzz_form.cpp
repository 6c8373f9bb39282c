// A Content-Type line and a body under it, as the API reads the fields of a call and the configuration of an upload.
// What is refused is told in a document that is JSON whatever was sent; what is taken are known fields, once each.
#include <nlohmann/json.hpp>
#include <string>

#include "api_routes.hpp"
#include "fuzz_support.hpp"

namespace {

using namespace secbeat::http;
using secbeat::ErrorCode;
using secbeat::fuzz::require;

constexpr std::size_t kReasonBytes = 1000;

// A refusal repeats some of what was sent, escaped: at most six bytes for each.
void require_refusal(const HttpResponse& response, std::size_t sent) {
  require(response.status >= 400 && response.status < 500 && response.code.has_value());
  require(response.body.size() <= 4096 + 6 * sent);
  const auto document = nlohmann::json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  require(document.is_object() && document.at("success") == false && document.at("code").is_string());
  const auto& error = document.at("error").get_ref<const std::string&>();
  require(!error.empty() && error.size() <= 2048 && plain_text_length(error) == error.size());
}

void check_fields(const HttpRequest& request) {
  const auto known = names_of(request.route->fields);
  auto form = read_any_form(request, known);
  if (!form) return require_refusal(form.error(), request.body.size());
  require(form->size() <= known.size());
  for (const auto& [name, value] : *form) {
    require(std::ranges::find(known, name) != known.end() && value.size() <= request.body.size());
  }
  const auto reason = take_text(*form, "reason", kReasonBytes);
  if (!reason) {
    require_refusal(reason.error(), request.body.size());
  } else if (*reason) {
    require(!(*reason)->empty() && (*reason)->size() <= kReasonBytes);
    require(plain_text_length(**reason) == (*reason)->size());
  }
  if (const auto flag = take_boolean(*form, "ttl_seconds"); !flag) require_refusal(flag.error(), request.body.size());
}

void check_as_configuration(const std::string& text) {
  const auto taken = check_configuration(text);
  if (taken) return require(nlohmann::json::accept(text));
  require(taken.error().code == ErrorCode::kBadConfigJson);
  require_refusal(taken.error(), text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [type, body] = secbeat::fuzz::split(secbeat::fuzz::text_of(data, size), '\n');
  HttpRequest request;
  request.headers["content-type"] = type;
  request.body = body;
  request.route = *find_route(secbeat::agent::all_routes(), "POST", "/api/v1/bypass");  // has texts and numbers
  check_fields(request);
  check_as_configuration(request.body);
  return 0;
}
