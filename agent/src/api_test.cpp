#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::ElementsAre;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

ReloadResult second_version() {
  ReloadResult result;
  result.name = "universal-waf";
  result.version = "v2";
  result.previous_version = "v1";
  result.requests_during_reload = 1247;
  result.sha256 = std::string(64, 'a');
  result.size_bytes = 87040;
  result.generation = 7;
  result.workers = {2, 2};
  result.max_pause_us = 3;
  result.stages.compile_ms = 41.23456;
  return result;
}

TEST_F(ApiTest, ReloadAnswersAsPromised) {
  reloader_.on_reload = [](const Upload&) { return second_version(); };
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 200) << answer.body << answer.failure;
  EXPECT_TRUE(answer.body.starts_with(R"({"success":true,"message":"Module reloaded","version":"v2","downtime_ms":0,)"
                                      R"("requests_during_reload":1247,)"))
      << answer.body;
  EXPECT_THAT(keys_of(answer.json()),
              ElementsAre("success", "message", "version", "downtime_ms", "requests_during_reload", "name",
                          "previous_version", "sha256", "config_sha256", "size_bytes", "generation", "workers",
                          "max_pause_us", "stages", "warnings"));
  EXPECT_EQ(answer.json()["stages"]["compile_ms"], 41.235);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
}

TEST_F(ApiTest, RollbackTakesAPostWithoutABody) {
  reloader_.on_rollback = [](const Rollback& rollback) {
    RollbackResult result;
    result.rolled_back_to = "v1";
    result.reason = rollback.reason;
    return result;
  };
  start();
  const Answer answer = request("POST", "/api/v1/wasm/rollback");
  EXPECT_EQ(answer.status, 200) << answer.body << answer.failure;
  EXPECT_TRUE(
      answer.body.starts_with(R"({"success":true,"rolled_back_to":"v1","reason":"Manual rollback","downtime_ms":0,)"))
      << answer.body;
}

}  // namespace
}  // namespace secbeat::agent
