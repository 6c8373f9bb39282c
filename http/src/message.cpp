#include "secbeat/http/message.hpp"

#include <algorithm>
#include <stdexcept>

#include "secbeat/http/route.hpp"

namespace secbeat::http {

std::optional<std::string_view> HttpRequest::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> HttpRequest::parameter(std::string_view name) const {
  if (route != nullptr && std::ranges::find(route->query, name, &Input::name) == route->query.end()) {
    throw std::logic_error("the route of " + path + " names no parameter " + std::string(name));
  }
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

HttpResponse json_response(const Json& document, int status) {
  HttpResponse response;
  response.status = status;
  response.body = document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

HttpResponse error_response(const Error& error, const Json& extra) {
  Json document{{"success", false}, {"error", error.message}, {"code", word_of(error.code)}};
  document.update(extra);
  HttpResponse response = json_response(document, http_status_of(error.code));
  response.code = error.code;
  return response;
}

}  // namespace secbeat::http
