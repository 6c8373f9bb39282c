// Rules over HTTP, with a reloader that keeps what it is given and refuses what a test says.
#include <gmock/gmock.h>

#include <thread>

#include "api_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kRuleJsonType{"Content-Type: application/json"};

class ApiRules : public ApiTest {
 protected:
  ApiRules() {
    reloader_.on_version = [this](const std::optional<std::string>& name) -> Outcome<VersionView> {
      EXPECT_EQ(name, "universal-waf");
      const std::scoped_lock lock(mutex_);
      VersionView view;
      view.name = *name;
      view.version = "v" + std::to_string(version_);
      view.config_sha256 = sha_;
      return view;
    };
    reloader_.on_reload = [this](const Upload& upload) { return take(upload); };
    put("");
  }

  void put(const std::string& text) {
    sha_ = sha256_hex(text);
    reloader_.bytes_by_sha256[sha_] = text;
  }

  Outcome<ReloadResult> take(const Upload& upload) {
    if (before_reload) before_reload();
    const std::scoped_lock lock(mutex_);
    ++reloads_;
    if (upload.expected_version != "v" + std::to_string(version_)) return refusal(ErrorCode::kVersionConflict, "lost");
    if (upload.config->find("forbidden") != std::string::npos) return refusal(ErrorCode::kConfigureFailed, "no");
    put(*upload.config);
    ++version_;
    ReloadResult result;
    result.name = *upload.name;
    result.version = "v" + std::to_string(version_);
    return result;
  }

  static std::unexpected<Failure> refusal(ErrorCode code, const char* text) {
    Failure failure;
    failure.error = {code, text};
    return std::unexpected(failure);
  }

  Answer send(const std::string& method, const std::string& path, const std::string& body,
              std::vector<std::string> headers = kRuleJsonType) const {
    return request_with(method, path, headers, body.empty() ? std::nullopt : std::optional(body));
  }
  Answer add(const std::string& rule) const { return send("POST", "/api/v1/rules", rule); }

  std::function<void()> before_reload;
  std::mutex mutex_;
  std::string sha_;
  int version_ = 1;
  int reloads_ = 0;
};

TEST_F(ApiRules, ARuleIsAddedReadChangedAndRemoved) {
  start();
  EXPECT_EQ(get("/api/v1/rules").json().dump(), R"({"rules":[]})");
  const Answer added = add(R"({"id":"a","field":"URI","pattern":"/x","action":"Block","created_at":"c"})");
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_EQ(added.json()["message"], "Rule added: a");
  EXPECT_EQ(added.json()["version"], "v2");
  EXPECT_EQ(added.json()["rules"], 1);
  EXPECT_EQ(reloader_.last_upload()->kind, UploadKind::kRuleEdit);
  EXPECT_EQ(reloader_.last_upload()->reason, "Rule added: a");
  EXPECT_FALSE(reloader_.last_upload()->file);

  const Answer one = get("/api/v1/rules/a");
  EXPECT_EQ(one.json().dump(), R"({"id":"a","field":"URI","pattern":"/x","action":"Block","created_at":"c"})");
  EXPECT_EQ(one.headers.at("etag"), added.headers.at("etag"));
  EXPECT_EQ(add(R"({"id":"a"})").json()["code"], "rule_exists");

  const Answer changed = send("PUT", "/api/v1/rules/a?reason=why", R"({"id":"a","action":"Log"})",
                              {"Content-Type: application/json", "If-Match: " + one.headers.at("etag")});
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(reloader_.last_upload()->reason, "Rule changed: a (why)");
  const Answer late = send("DELETE", "/api/v1/rules/a", "", {"If-Match: " + one.headers.at("etag")});
  EXPECT_EQ(late.status, 412) << late.body;
  EXPECT_EQ(send("DELETE", "/api/v1/rules/a", "", {}).status, 200);
  EXPECT_EQ(get("/api/v1/rules/a").json()["code"], "unknown_rule");
  EXPECT_EQ(send("DELETE", "/api/v1/rules/a", "", {}).status, 404);
}

TEST_F(ApiRules, AllAreReplacedOnlyByWhoSaysWhatTheyHaveRead) {
  start();
  const std::string body = R"({"rules":[{"id":"a","ttl_seconds":60}]})";
  EXPECT_EQ(send("PUT", "/api/v1/rules", body).status, 428);
  EXPECT_EQ(send("PUT", "/api/v1/rules", body, {kRuleJsonType[0], "If-Match: \"old\""}).status, 412);
  const std::string etag = get("/api/v1/rules").headers.at("etag");
  EXPECT_EQ(send("PUT", "/api/v1/rules", body, {kRuleJsonType[0], "If-Match: " + etag}).status, 200);
  EXPECT_EQ(reloader_.last_upload()->kind, UploadKind::kRuleSet);
  const Json rules = get("/api/v1/rules").json()["rules"];
  EXPECT_TRUE(rules[0].contains("expires_at"));
  EXPECT_FALSE(rules[0].contains("ttl_seconds"));
}

TEST_F(ApiRules, WhatTheModuleRefusesIsToldAndNothingIsChanged) {
  start();
  const Answer refused = add(R"({"id":"forbidden"})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.json()["code"], "configure_failed");
  EXPECT_EQ(get("/api/v1/rules").json()["rules"].size(), 0U);
}

TEST_F(ApiRules, AChangeThatSomebodyElseOvertakesIsMadeOnWhatTheyLeft) {
  start();
  bool overtaken = false;
  before_reload = [&] {
    if (std::exchange(overtaken, true)) return;
    const std::scoped_lock lock(mutex_);
    put(R"({"rules":[{"id":"theirs"}]})");
    ++version_;
  };
  EXPECT_EQ(add(R"({"id":"mine"})").status, 200);
  const Json rules = get("/api/v1/rules").json()["rules"];
  ASSERT_EQ(rules.size(), 2U) << rules;
  EXPECT_EQ(rules[0]["id"], "theirs");
}

TEST_F(ApiRules, ChangesThatComeMeanwhileGoTogetherAndAWrongOneStopsNoOther) {
  start();
  Gate gate;
  bool first = true;
  before_reload = [&] {
    if (std::exchange(first, false)) gate.pass();
  };
  std::vector<std::thread> clients;
  const auto send_one = [&](const char* rule, int status) {
    clients.emplace_back([this, rule, status] { EXPECT_EQ(add(rule).status, status) << rule; });
  };
  send_one(R"({"id":"a"})", 200);
  ASSERT_TRUE(gate.await_waiting(1));
  send_one(R"({"id":"b"})", 200);
  send_one(R"({"id":"forbidden"})", 422);
  send_one(R"({"id":"c"})", 200);
  gate.open();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(get("/api/v1/rules").json()["rules"].size(), 3U);
}

TEST_F(ApiRules, HostileBodiesAndPathsAreRefused) {
  start();
  EXPECT_EQ(add("").json()["code"], "bad_json");
  EXPECT_EQ(add("{").json()["code"], "bad_json");
  EXPECT_EQ(add("[]").json()["code"], "bad_rule");
  EXPECT_EQ(add(std::string(60000, '[') + std::string(60000, ']')).json()["code"], "bad_json");
  EXPECT_EQ(send("POST", "/api/v1/rules", "{}", {"Content-Type: text/plain"}).status, 415);
  EXPECT_EQ(get("/api/v1/rules/a%20b").json()["code"], "bad_request");
  EXPECT_EQ(send("PUT", "/api/v1/rules/a", R"({"id":"b"})").json()["code"], "bad_rule");
  EXPECT_EQ(reloads_, 0);
}

}  // namespace
}  // namespace secbeat::agent
