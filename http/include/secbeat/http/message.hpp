// A request and an answer of the HTTP API as values: what the routes see, without the HTTP library.
//
// Value types; thread safety as for std::string.
#pragma once

#include <expected>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/http/settings.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::http {

struct Route;

using Json = nlohmann::ordered_json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// Who sent a request. Without keys in the configuration, whoever can is "local" and may do everything.
struct Caller {
  std::string name = "local";  // of the key; empty: none was needed
  Role role = Role::kAdmin;
  std::string address = {};  // empty: unknown
};

struct HttpRequest {
  std::string method;
  std::string path;                            // percent-decoded
  Pairs query;                                 // percent-decoded, in the order given
  std::map<std::string, std::string> headers;  // those that the API reads, names in lower case
  std::string body;
  std::string request_id;
  SteadyTime received;  // when its headers had come
  Caller caller;
  std::string reason;            // that the caller gave for a change, once the handler has read it; for the log
  const Route* route = nullptr;  // that answers it; null: none, or a test of a part

  [[nodiscard]] std::optional<std::string_view> header(const std::string& lower_case_name) const;
  // Throws std::logic_error for one that the route does not name: nobody could send it.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  Pairs headers;
  std::optional<ErrorCode> code;  // of an error
};

// A value, or the answer that refuses the request.
template <class T>
using OrRefusal = std::expected<T, HttpResponse>;

// Text that is not UTF-8 (a client's or a guest's bytes) shows U+FFFD where it is broken.
HttpResponse json_response(const Json& document, int status = 200);

// {"success":false,"error":…,"code":…} and then the members of `extra`.
HttpResponse error_response(const Error& error, const Json& extra = Json::object());
inline std::unexpected<HttpResponse> refuse(ErrorCode code, std::string message, const Json& extra = Json::object()) {
  return std::unexpected(error_response(Error{code, std::move(message)}, extra));
}

}  // namespace secbeat::http
