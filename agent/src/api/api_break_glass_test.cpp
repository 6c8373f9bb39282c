// The calls of break-glass: what they take and what they answer.
#include <gmock/gmock.h>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kJsonType{"Content-Type: application/json"};

TEST_F(ApiTest, FreezeTakesReasonAndTimeInEveryForm) {
  start();
  const Answer answer = post("/api/v1/freeze", R"({"reason":"incident","ttl_seconds":60})", kJsonType);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["message"], "Changes are frozen");
  EXPECT_EQ(glass_.last_demand().reason, "incident");
  EXPECT_EQ(glass_.last_demand().lasts.count(), 60);
  EXPECT_EQ(glass_.last_demand().origin.by, "local");
  EXPECT_EQ(answer.headers.at("x-request-id"), glass_.last_demand().origin.request_id);
  EXPECT_EQ(post("/api/v1/freeze", "ttl_seconds=5", {"Content-Type: application/x-www-form-urlencoded"}).status, 200);
  EXPECT_EQ(glass_.last_demand().lasts.count(), 5);
  EXPECT_EQ(glass_.last_demand().reason, "Manual freeze");
  EXPECT_EQ(post("/api/v1/freeze", R"({"ttl_seconds":"7"})", kJsonType).status, 200);
  EXPECT_EQ(glass_.last_demand().lasts.count(), 7);
}

TEST_F(ApiTest, BypassLastsTenMinutesUnlessToldOtherwiseAndEndsWithZero) {
  start();
  EXPECT_EQ(request("POST", "/api/v1/bypass").json()["message"], "Requests pass uninspected");
  EXPECT_EQ(glass_.last_demand().lasts, std::chrono::minutes(10));
  EXPECT_EQ(post("/api/v1/bypass", R"({"ttl_seconds":0})", kJsonType).json()["message"],
            "Requests are inspected again");
  EXPECT_EQ(post("/api/v1/bypass", R"({"ttl_seconds":86400})", kJsonType).status, 200);
  for (const char* wrong : {"86401", "-1", "1.5", "true", "\"10m\"", "18446744073709551616", "[]"}) {
    const Answer answer = post("/api/v1/bypass", std::string(R"({"ttl_seconds":)") + wrong + "}", kJsonType);
    EXPECT_EQ(answer.status, 400) << wrong;
    EXPECT_EQ(answer.json()["field"], "ttl_seconds") << wrong;
  }
}

TEST_F(ApiTest, UnfreezeTakesNoTime) {
  start();
  EXPECT_EQ(post("/api/v1/unfreeze", R"({"reason":"over"})", kJsonType).json()["message"],
            "Changes are no longer frozen");
  EXPECT_EQ(post("/api/v1/unfreeze", R"({"ttl_seconds":1})", kJsonType).json()["code"], "unknown_field");
}

TEST_F(ApiTest, ShowsWhatIsInEffect) {
  glass_.seen.frozen = GlassStatement{.since = "2025-11-24T01:00:03Z", .until = "", .by = "api", .reason = "incident"};
  glass_.seen.taken_back = {{.name = "waf", .version = "v2", .decided_by = "v1"}};
  glass_.seen.requests_bypassed = 7;
  start();
  const Json state = get("/api/v1/break-glass").json();
  EXPECT_EQ(state["frozen"],
            Json::parse(R"({"since":"2025-11-24T01:00:03Z","until":null,"by":"api","reason":"incident"})"));
  EXPECT_TRUE(state["bypass"].is_null());
  EXPECT_EQ(state["taken_back"][0]["decided_by"], "v1");
  const std::string metrics = get("/metrics").body;
  for (const char* line : {"\nsecbeat_frozen 1\n", "\nsecbeat_bypass 0\n", "\nsecbeat_requests_bypassed_total 7\n",
                           "\nsecbeat_rollbacks_pending 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
}

TEST_F(ApiTest, ADrillIsHealthyWhereNothingFailed) {
  glass_.findings = {{"bypass", DrillHealth::kOk, "worker 7 sees it", ""},
                     {"freeze", DrillHealth::kWarning, "disk full", "make room"}};
  start();
  const Json well = request("POST", "/api/v1/drill").json();
  EXPECT_EQ(well["healthy"], true);
  EXPECT_EQ(well["checks"][1],
            Json::parse(R"({"check":"freeze","result":"warn","found":"disk full","advice":"make room"})"));
  glass_.findings.push_back({"worker", DrillHealth::kFailure, "none", "start nginx"});
  EXPECT_EQ(request("POST", "/api/v1/drill").json()["healthy"], false);
}

}  // namespace
}  // namespace secbeat::agent
