// Both ways between the table of routes and the server: each answer that a route names comes, and what /openapi.json
// says is what the table says. That no other answer comes is watched in answer().
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "api_routes.hpp"
#include "api_test_support.hpp"
#include "secbeat/http/openapi.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;

class ApiContract : public ApiTest {
 protected:
  // The code with which the route answers when it is provoked to this one.
  Answer provoke(const Route& route, ErrorCode code);

 private:
  Answer send(const Route& route, const std::string& query, const std::string& type, const std::string& body,
              const std::vector<std::string>& headers = {}) const;
  Answer send_well_formed(const Route& route) const;
  Answer announce_too_much(const Route& route) const;
  void make_the_reloader_answer(ErrorCode code);
  void serve_rules(const std::string& text);
};

std::string path_of(const Route& route) {
  std::string path(route.path);
  if (const auto open = path.find('{'); open != std::string::npos) {
    path = path.substr(0, open) + (route.operation == "moduleBytes" ? std::string(64, 'a') : std::string("waf"));
  }
  return path;
}

const std::string kMultipart = fmt::format("multipart/form-data; boundary={}", kTestBoundary);

Answer ApiContract::send(const Route& route, const std::string& query, const std::string& type, const std::string& body,
                         const std::vector<std::string>& headers) const {
  std::vector<std::string> all = headers;
  if (!type.empty()) all.push_back("Content-Type: " + type);
  return request_with(std::string(route.method), path_of(route) + query, all,
                      body.empty() ? std::nullopt : std::optional(body));
}

Answer ApiContract::send_well_formed(const Route& route) const {
  if (route.body == BodyKind::kJson) {
    return send(route, "", "application/json", R"({"id":"waf","rules":[]})", {"If-Match: *"});
  }
  if (route.body != BodyKind::kUpload) return send(route, "", "", "");
  return send(route, "", kMultipart, multipart_body({{"file", "bytes"}}));
}

// The body never comes: what the headers say is enough.
Answer ApiContract::announce_too_much(const Route& route) const {
  RawClient client(server_->port());
  client.send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: 999999999\r\n\r\n",
                          route.method, path_of(route),
                          route.body == BodyKind::kJson ? std::string("application/json") : kMultipart));
  const std::string text = client.receive("}\n");
  Answer answer;
  answer.status = std::stoi(text.substr(text.find(' ') + 1));
  answer.body = text.substr(text.find("\r\n\r\n") + 4);
  return answer;
}

void ApiContract::serve_rules(const std::string& text) {
  reloader_.read_failure.reset();
  reloader_.throws = false;
  reloader_.bytes_by_sha256["rules"] = text;
  reloader_.on_version = [](const std::optional<std::string>&) {
    VersionView view;
    view.version = "v1";
    view.config_sha256 = "rules";
    return view;
  };
}

void ApiContract::make_the_reloader_answer(ErrorCode code) {
  Failure failure;
  failure.error = {code, "provoked"};
  reloader_.on_reload = [failure](const Upload&) { return std::unexpected(failure); };
  reloader_.on_rollback = [failure](const Rollback&) { return std::unexpected(failure); };
  reloader_.on_remove = [failure](const Removal&) { return std::unexpected(failure); };
  reloader_.on_version = [failure](const std::optional<std::string>&) { return std::unexpected(failure); };
  reloader_.read_failure = failure;
  reloader_.is_ready = code != ErrorCode::kNotReady;
  reloader_.throws = code == ErrorCode::kInternal;
}

Answer ApiContract::provoke(const Route& route, ErrorCode code) {
  const std::string path_with_slash = std::string(route.path.substr(0, route.path.rfind('/'))) + "/a%2Fb";
  const bool has_body = route.body != BodyKind::kNone;
  make_the_reloader_answer(code);
  switch (code) {
    case ErrorCode::kUnknownField:
      return send(route, "?no_such_field=1", "", "");
    case ErrorCode::kTooLarge:
      return announce_too_much(route);
    case ErrorCode::kForbidden:
      return send(route, "", "", "", {route.method == "GET" ? "Host: evil.example" : "Origin: http://elsewhere"});
    case ErrorCode::kNotFound:
      return request(std::string(route.method), path_with_slash);
    case ErrorCode::kBadMultipart:
      return send(route, "", kMultipart, "no boundary in it");
    case ErrorCode::kUnsupportedMediaType:
      return send(route, "", "text/plain", "text");
    case ErrorCode::kMissingFile:
      return send(route, "", kMultipart, multipart_body({{"reason", "none"}}));
    case ErrorCode::kBadConfigJson:
      return send(route, "", kMultipart, multipart_body({{"config", "{"}}));
    case ErrorCode::kBadJson:
      return send(route, "", "application/json", "{");
    case ErrorCode::kBadRule:
      return send(route, "", "application/json", "[]", {"If-Match: *"});
    case ErrorCode::kPreconditionRequired:
      return send(route, "", "application/json", "{}");
    case ErrorCode::kUnknownRule:
    case ErrorCode::kRuleExists:
    case ErrorCode::kPreconditionFailed:
      serve_rules(code == ErrorCode::kUnknownRule ? "{\"rules\":[]}" : "{\"rules\":[{\"id\":\"waf\"}]}");
      if (code != ErrorCode::kPreconditionFailed) return send_well_formed(route);
      return send(route, "", route.body == BodyKind::kJson ? "application/json" : "",
                  route.body == BodyKind::kJson ? R"({"id":"waf","rules":[]})" : "", {"If-Match: \"old\""});
    case ErrorCode::kBadRequest:
      if (route.operation == "rule") return request("GET", "/api/v1/rules/a%20b");
      if (has_body && route.body != BodyKind::kJson)
        return send(route, "", kMultipart, multipart_body({{"reason", ""}}));
      if (!route.query.empty()) return send(route, fmt::format("?{0}=1&{0}=1", route.query.front().name), "", "");
      return request(std::string(route.method), std::string(route.path.substr(0, route.path.rfind('/'))) + "/a");
    case ErrorCode::kNoWatch:
      reloader_.on_version = nullptr;
      return send_well_formed(route);
    case ErrorCode::kUnknownModule:
      return route.operation == "errors" ? send(route, "?name=other", "", "") : send_well_formed(route);
    default:
      return send_well_formed(route);
  }
}

// Whether rate_limited is about what the route does, beside the limit on wrong keys that all have.
bool limits_itself(const Route& route) {
  return std::ranges::find(route.errors, ErrorCode::kRateLimited) != route.errors.end();
}

TEST_F(ApiContract, EveryErrorThatARouteNamesComes) {
  spdlog_off();
  start();
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().time_since_epoch()).count();
  for (const char* kind : {"trap", "block"}) events_.add({now, "GET", "/", "192.0.2.1", "waf", 1, kind, "", "said"});
  // Of all routes alike: ApiServerTest stops the server and fills its lanes.
  // ApiAccess has keys.
  const std::set<ErrorCode> elsewhere = {ErrorCode::kShuttingDown, ErrorCode::kBusy, ErrorCode::kUnauthorized};
  for (const Route& route : all_routes()) {
    for (const ErrorCode code : http::codes_of(route)) {
      if (elsewhere.contains(code) || (code == ErrorCode::kRateLimited && !limits_itself(route))) continue;
      const Answer answer = provoke(route, code);
      EXPECT_EQ(answer.status, http_status_of(code)) << route.operation << " " << word_of(code) << answer.body;
      EXPECT_EQ(Json::parse(answer.body, nullptr, false).value("code", ""), word_of(code)) << route.operation;
    }
  }
}

TEST_F(ApiContract, AnErrorOfTheNodeItselfThatARouteDoesNotNameIsInternal) {
  start();
  reloader_.on_version = [](const std::optional<std::string>&) -> Outcome<VersionView> {
    Failure failure;
    failure.error = {ErrorCode::kProtocol, "a worker spoke in riddles"};
    return std::unexpected(failure);
  };
  const Answer answer = get("/api/v1/wasm/version");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.json()["code"], "internal");
  EXPECT_EQ(answer.json()["error"], "a worker spoke in riddles");
}

TEST_F(ApiContract, AParameterThatTheRouteDoesNotNameCannotBeRead) {
  HttpRequest request;
  request.path = "/api/v1/wasm/version";
  request.route = *find_route(all_routes(), "GET", request.path);
  EXPECT_NO_THROW(static_cast<void>(request.parameter("name")));
  EXPECT_THROW(static_cast<void>(request.parameter("nmae")), std::logic_error);
}

TEST(OpenApi, HasEveryRouteWithItsInputsAnswersAndErrors) {
  const Json document = http::openapi_document(node_service());
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> operations;
  for (const Route& route : all_routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const Json& operation = document["paths"][std::string(route.path)][method];
    EXPECT_TRUE(operations.insert(operation.value("operationId", "")).second) << route.operation;
    EXPECT_EQ(operation.value("parameters", Json::array()).size(),
              route.query.size() + route.in_path.size() + (route.takes_if_match ? 1U : 0U));
    std::set<std::string> statuses{"200"};
    for (const ErrorCode code : http::codes_of(route)) statuses.insert(std::to_string(http_status_of(code)));
    std::set<std::string> written;
    for (const auto& [status, response] : operation["responses"].items()) written.insert(status);
    EXPECT_EQ(written, statuses) << route.operation;
    EXPECT_EQ(operation.contains("requestBody"), route.body != BodyKind::kNone) << route.operation;
  }
}

TEST(OpenApi, RefersOnlyToWhatItHas) {
  const Json document = http::openapi_document(node_service());
  const auto references = [](const auto& self, const Json& json, std::vector<std::string>& found) -> void {
    if (json.is_object() && json.contains("$ref")) found.push_back(json["$ref"]);
    for (const Json& item : json) {
      if (item.is_structured()) self(self, item, found);
    }
  };
  std::vector<std::string> found;
  references(references, document, found);
  EXPECT_GT(found.size(), 50U);
  for (const std::string& reference : found) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
}

TEST_F(ApiContract, TheDocumentIsServed) {
  start();
  const Answer answer = get("/openapi.json");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(answer.json(), http::openapi_document(node_service()));
  const Answer head = request("HEAD", "/openapi.json");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(answer.body.size()));
  EXPECT_TRUE(head.body.empty());
}

}  // namespace
}  // namespace secbeat::agent
