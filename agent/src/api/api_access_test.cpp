// Who may call what: keys, roles, and callers without either.
#include "api_http.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api_routes.hpp"
#include "api_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::string kViewerKey = "viewer-key-0123456789abcdef0123456789";
const std::string kOperatorKey = "operator-key-0123456789abcdef01234567";
const std::string kAdminKey = "admin-key-0123456789abcdef0123456789ab";

std::vector<ApiKey> keys() {
  return {{"grafana", Role::kViewer, {sha256_hex(kViewerKey)}},
          {"ci", Role::kOperator, {sha256_hex("an older one"), sha256_hex(kOperatorKey)}},
          {"root", Role::kAdmin, {sha256_hex(kAdminKey)}}};
}

std::string bearer(const std::string& key) { return "Authorization: Bearer " + key; }

class ApiAccess : public ApiTest {
 protected:
  ApiAccess() {
    spdlog_off();
    config_.api_keys = keys();
  }
  [[nodiscard]] Answer call(const Route& route, const std::string& key) const {
    std::string path(route.path.substr(0, route.path.find('{')));
    if (path != route.path) path += "name";
    std::vector<std::string> headers;
    if (!key.empty()) headers.push_back(bearer(key));
    return request_with(std::string(route.method), path, headers, std::nullopt);
  }
};

bool is_refused(const Answer& answer) { return answer.status == 401 || answer.status == 403; }

TEST_F(ApiAccess, EachRouteTakesItsRole) {
  start();
  const std::pair<Role, std::string> callers[] = {
      {Role::kViewer, kViewerKey}, {Role::kOperator, kOperatorKey}, {Role::kAdmin, kAdminKey}};
  for (const Route& route : all_routes()) {
    for (const auto& [role, key] : callers) {
      EXPECT_EQ(is_refused(call(route, key)), role < route.role) << route.operation << " " << word_of(role);
    }
  }
}

TEST_F(ApiAccess, RolesAreThoseOfTheContract) {
  for (const Route& route : all_routes()) {
    const bool is_open = route.path == "/healthz" || route.path == "/readyz";
    const bool is_emergency = route.path.ends_with("/freeze") || route.path.ends_with("/unfreeze") ||
                              route.path.ends_with("/bypass") || route.path.ends_with("/drill");
    const Role role = is_open                                 ? Role::kNone
                      : is_emergency && route.method != "GET" ? Role::kAdmin
                      : route.method == "GET"                 ? Role::kViewer
                                                              : Role::kOperator;
    EXPECT_EQ(word_of(route.role), word_of(role)) << route.method << " " << route.path;
  }
}

TEST_F(ApiAccess, WithoutARightKeyNothingIsAnsweredButProbes) {
  start();
  for (const char* path : {"/api/v1/wasm/version", "/metrics", "/openapi.json", "/nothing"}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.json()["code"], "unauthorized");
    EXPECT_EQ(answer.headers.at("www-authenticate"), "Bearer realm=\"secbeat\"");
  }
  for (const char* path : {"/healthz", "/readyz"}) EXPECT_EQ(get(path).status, 200) << path;
  EXPECT_FALSE(reloader_.last_rollback());
  EXPECT_EQ(post("/api/v1/wasm/rollback", "", {}).status, 401);
  EXPECT_FALSE(reloader_.last_rollback());
}

TEST_F(ApiAccess, OnlyTheWholeKeyIsRight) {
  start();
  for (const std::string& header :
       {bearer(kViewerKey + "x"), bearer(kViewerKey.substr(1)), bearer(sha256_hex(kViewerKey)), bearer("an older one"),
        std::string("Authorization: Basic " + kViewerKey), std::string("Authorization: " + kViewerKey),
        std::string("Authorization: Bearer"), bearer(std::string(5000, 'k')), bearer("\xC3\xBC" + kViewerKey)}) {
    EXPECT_EQ(get("/api/v1/wasm/version", {header}).status, 401) << header;
  }
  for (const std::string& header :
       {bearer(kViewerKey), "Authorization: bearer " + kViewerKey, "authorization: BEARER   " + kViewerKey + "  "}) {
    EXPECT_EQ(get("/api/v1/wasm/version", {header}).status, 200) << header;
  }
}

TEST_F(ApiAccess, ARefusalNeitherShowsNorReadsTheBody) {
  start();
  RawClient client(server_->port());
  client.send(
      fmt::format("POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\n{}\r\nContent-Type: multipart/form-data; "
                  "boundary=B\r\nContent-Length: 999999999\r\n\r\n",
                  bearer(kViewerKey)));
  const std::string answer = client.receive("}\n");
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 403"));
  EXPECT_THAT(answer, HasSubstr("This call takes a key of the role operator; grafana is viewer"));
  EXPECT_THAT(answer, Not(HasSubstr(kViewerKey)));
}

TEST_F(ApiAccess, ForceIsForAdmins) {
  start();
  const auto force = [this](const std::string& key) {
    return post("/api/v1/wasm/reload", multipart_body({{"file", "bytes"}, {"force", "true"}}),
                {fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary), bearer(key)});
  };
  const Answer answer = force(kOperatorKey);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.json()["code"], "forbidden");
  EXPECT_FALSE(reloader_.last_upload());
  EXPECT_EQ(force(kAdminKey).status, 200);
  EXPECT_EQ(reloader_.last_upload()->gates, Gates::kForced);
}

TEST_F(ApiAccess, TheHistoryGetsTheNameOfTheKeyAndTheAddress) {
  start();
  EXPECT_EQ(post("/api/v1/wasm/rollback", "", {bearer(kOperatorKey)}).status, 200);
  EXPECT_EQ(reloader_.last_rollback()->origin.by, "ci");
  EXPECT_EQ(reloader_.last_rollback()->origin.address, "127.0.0.1");
}

TEST_F(ApiAccess, KeysAreExchangedWithoutARestart) {
  start();
  config_.api_keys[0].sha256 = {sha256_hex(kAdminKey + "new")};
  ASSERT_TRUE(server_->renew(config_));
  EXPECT_EQ(get("/api/v1/wasm/version", {bearer(kViewerKey)}).status, 401);
  EXPECT_EQ(get("/api/v1/wasm/version", {bearer(kAdminKey + "new")}).status, 200);
  config_.api_keys.clear();
  EXPECT_FALSE(server_->renew(config_));
  EXPECT_EQ(get("/api/v1/wasm/version").status, 401);
}

TEST_F(ApiAccess, WrongKeysAreLimitedAndRightOnesPassAllTheSame) {
  start();
  Answer answer;
  for (std::uint32_t i = 0; i <= http::WrongKeys::kBurst; ++i)
    answer = get("/api/v1/wasm/version", {bearer(kAdminKey + "x")});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.json()["code"], "rate_limited");
  EXPECT_GE(std::stoi(answer.headers.at("retry-after")), 1);
  EXPECT_EQ(get("/api/v1/wasm/version", {bearer(kAdminKey)}).status, 200);
  const Answer metrics = get("/metrics", {bearer(kViewerKey)});
  EXPECT_THAT(metrics.body, HasSubstr(fmt::format("secbeat_api_refused_total{{code=\"unauthorized\"}} {}\n",
                                                  http::WrongKeys::kBurst)));
  EXPECT_THAT(metrics.body, HasSubstr("secbeat_api_refused_total{code=\"rate_limited\"} 1\n"));
}

}  // namespace
}  // namespace secbeat::agent
