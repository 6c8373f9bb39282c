#include "api_message.hpp"

namespace secbeat::agent {

std::optional<std::string_view> HttpRequest::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> HttpRequest::parameter(std::string_view name) const {
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
  return json_response(document, http_status_of(error.code));
}

}  // namespace secbeat::agent
