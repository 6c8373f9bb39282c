// POST /api/v1/wasm/{reload,load,validate,rollback}: shapes, fields, errors.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

ReloadResult second_reload() {
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
  result.warnings = {"a warning"};
  return result;
}

Failure failure_of(ErrorCode code, std::string message) {
  Failure failure;
  failure.error = {code, std::move(message)};
  return failure;
}

class ApiReload : public ApiTest {
 protected:
  ApiReload() {
    reloader_.on_reload = [](const Upload&) { return second_reload(); };
  }

  void fail_with(Failure failure) {
    reloader_.on_reload = [failure = std::move(failure)](const Upload&) { return std::unexpected(failure); };
  }
};

TEST_F(ApiReload, AnswersAsPromised) {
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 200) << answer.body << answer.failure;
  EXPECT_THAT(answer.body, StartsWith(R"({"success":true,"message":"Module reloaded","version":"v2","downtime_ms":0,)"
                                      R"("requests_during_reload":1247,)"));
  EXPECT_THAT(keys_of(answer.json()),
              ElementsAre("success", "message", "version", "downtime_ms", "requests_during_reload", "name",
                          "previous_version", "sha256", "config_sha256", "size_bytes", "generation", "workers",
                          "max_pause_us", "stages", "cost", "inventory", "warnings", "signed_by"));
  EXPECT_EQ(answer.json()["stages"]["compile_ms"], 41.235);
  EXPECT_EQ(answer.json()["workers"], Json({{"serving", 2}, {"total", 2}}));
  EXPECT_EQ(answer.json()["config_sha256"], Json());
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
}

TEST_F(ApiReload, SaysLoadedWhereItIsCalledLoad) {
  start();
  const Answer answer = upload("/api/v1/wasm/load", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["message"], "Module loaded successfully");
  EXPECT_EQ(reloader_.last_upload()->kind, UploadKind::kLoad);
}

TEST_F(ApiReload, SaysUnchangedWhereNothingWasDone) {
  reloader_.on_reload = [](const Upload&) {
    ReloadResult result = second_reload();
    result.unchanged = true;
    return result;
  };
  start();
  for (const char* path : {"/api/v1/wasm/reload", "/api/v1/wasm/load"}) {
    const Json answer = upload(path, {{"file", "bytes"}}).json();
    EXPECT_EQ(answer["message"], "Module unchanged");
    EXPECT_EQ(answer["unchanged"], true);
  }
}

TEST_F(ApiReload, TellsWhatTheRehearsalFoundOutAlsoWhereItRefuses) {
  start();
  EXPECT_EQ(upload("/api/v1/wasm/reload", {{"file", "bytes"}}).json()["cost"], Json());
  Failure failure;
  failure.error = {ErrorCode::kCostLimit, "too expensive"};
  failure.measured.cost = engine::Cost{1234, "blanks", true};
  failure.measured.inventory =
      InventoryChange{.rules = 2, .compared_with = "v1", .rules_before = 1, .added = 1, .removed = 0};
  failure.measured.inventory->added_ids = {"new"};
  fail_with(failure);
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.json()["cost"], Json({{"fuel", 1234}, {"request", "blanks"}, {"at_least", true}}));
  EXPECT_EQ(answer.json()["inventory"]["compared_with"], "v1");
  EXPECT_EQ(answer.json()["inventory"]["added"], 1);
  EXPECT_EQ(answer.json()["inventory"]["added_ids"], Json({"new"}));
}

TEST_F(ApiReload, ValidateIsADryRun) {
  start();
  const std::pair<const char*, std::vector<Field>> calls[] = {
      {"/api/v1/wasm/validate", {{"file", "bytes"}}},
      {"/api/v1/wasm/reload", {{"file", "bytes"}, {"dry_run", "true"}}}};
  for (const auto& [path, fields] : calls) {
    const Answer answer = upload(path, fields);
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, StartsWith(R"({"success":true,"message":"Module is valid","would_be_version":"v2",)"));
    EXPECT_EQ(answer.json()["warnings"], Json({"a warning"}));
    EXPECT_EQ(reloader_.last_upload()->mode, Mode::kDryRun);
  }
}

TEST_F(ApiReload, HandsOverEveryField) {
  start();
  const std::string bytes("\0asm\1\0\0\0\r\n--", 12);
  const Answer answer = post(
      "/api/v1/wasm/reload",
      multipart_body({{"file", bytes},
                      {"name", "my-rules"},
                      {"config", "{\"a\":1}"},
                      {"expected_version", "v1"},
                      {"reason", "größer"},
                      {"dry_run", "false"},
                      {"force", "true"}}),
      {fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary), "X-Request-Id: ci.build-7_a"});
  EXPECT_EQ(answer.status, 200) << answer.body;
  const auto upload = reloader_.last_upload();
  ASSERT_TRUE(upload);
  EXPECT_EQ(upload->file, bytes);
  EXPECT_EQ(upload->name, "my-rules");
  EXPECT_EQ(upload->config, "{\"a\":1}");
  EXPECT_EQ(upload->expected_version, "v1");
  EXPECT_EQ(upload->reason, "größer");
  EXPECT_EQ(upload->mode, Mode::kApply);
  EXPECT_EQ(upload->gates, Gates::kForced);
  EXPECT_EQ(upload->kind, UploadKind::kReload);
  EXPECT_EQ(upload->origin.by, "local");
  EXPECT_EQ(upload->origin.request_id, "ci.build-7_a");
  EXPECT_EQ(answer.headers.at("x-request-id"), "ci.build-7_a");
  EXPECT_NE(upload->received, SteadyTime{});
}

TEST_F(ApiReload, TakesAConfigurationAlone) {
  start();
  EXPECT_EQ(upload("/api/v1/wasm/reload", {{"config", "{}"}}).status, 200);
  EXPECT_EQ(reloader_.last_upload()->file, std::nullopt);
  EXPECT_EQ(reloader_.last_upload()->gates, Gates::kOn);
}

TEST_F(ApiReload, RefusesAModuleAsPromised) {
  Failure failure = failure_of(ErrorCode::kMissingExport, "Invalid WASM module: missing inspect_request export");
  failure.about_module = true;
  failure.current_version = "v1";
  fail_with(failure);
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.body,
            "{\"success\":false,\"error\":\"Invalid WASM module: missing inspect_request export\","
            "\"current_version\":\"v1\",\"status\":\"still_serving_v1\",\"code\":\"missing_export\"}\n");
}

TEST_F(ApiReload, SaysWhereNoModuleServes) {
  Failure failure = failure_of(ErrorCode::kInvalidWasm, "Invalid WASM module: bad magic at offset 0");
  failure.about_module = true;
  fail_with(failure);
  start();
  const Json answer = upload("/api/v1/wasm/load", {{"file", "bytes"}}).json();
  EXPECT_EQ(answer["current_version"], Json());
  EXPECT_EQ(answer["status"], "no_module_serving");
}

TEST_F(ApiReload, TellsWhenToTryAgain) {
  Failure failure = failure_of(ErrorCode::kRateLimited, "Reloads are limited to one every 10 s; try again in 7 s");
  failure.about_module = true;
  failure.current_version = "v1";
  failure.retry_after_seconds = 7;
  fail_with(failure);
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.at("retry-after"), "7");
}

TEST_F(ApiReload, ListsWorkersThatDidNotFollow) {
  Failure failure = failure_of(ErrorCode::kWorkersDisagree, "1 of 2 workers did not follow");
  failure.workers = {{4711, "waf", {ErrorCode::kMemoryLimit, "out of memory"}}};
  fail_with(failure);
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.json()["workers"], Json::parse(R"([{"pid":4711,"module":"waf","error":"out of memory",)"
                                                  R"("code":"memory_limit"}])"));
}

TEST_F(ApiReload, AnExceptionIsAnInternalErrorAndNoMore) {
  reloader_.on_reload = [](const Upload&) -> Outcome<ReloadResult> { throw std::runtime_error("secret detail"); };
  spdlog_off();
  start();
  const Answer answer = upload("/api/v1/wasm/reload", {{"file", "bytes"}});
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.json()["code"], "internal");
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("secret")));
  EXPECT_EQ(get("/healthz").status, 200);
}

struct BadUpload {
  std::string what;
  std::vector<Field> fields;
  int status;
  std::string code;
  std::string error;
};

TEST_F(ApiReload, NeverReloadsWhatItDoesNotUnderstand) {
  config_.max_module_bytes = 1000;
  start();
  const Field file{"file", "bytes"};
  const BadUpload table[] = {
      {"no file", {{"reason", "x"}}, 400, "missing_file", "\"file\""},
      {"misspelt",
       {file, {"expcted_version", "v1"}},
       400,
       "unknown_field",
       "Unknown form field \"expcted_version\"; known are file, name"},
      {"not utf-8", {file, {"na\xFFme", "v1"}}, 400, "unknown_field", "na\\xffme"},
      {"twice", {file, {"name", "a"}, {"name", "a"}}, 400, "bad_multipart", "\"name\" is given twice"},
      {"file twice", {file, file}, 400, "bad_multipart", "\"file\" is given twice"},
      {"dry_run", {file, {"dry_run", "yes"}}, 400, "bad_request", "\"dry_run\" must be true or false, not \"yes\""},
      {"force", {file, {"force", ""}}, 400, "bad_request", "\"force\" must be true or false"},
      {"path as name", {file, {"name", "../../etc/passwd"}}, 400, "bad_request", "cannot name a module"},
      {"empty name", {file, {"name", ""}}, 400, "bad_request", "\"name\" is empty"},
      {"empty expectation", {file, {"expected_version", ""}}, 400, "bad_request", "\"expected_version\" is empty"},
      {"long reason", {file, {"reason", std::string(1001, 'x')}}, 400, "bad_request", "at most 1000"},
      {"reason not utf-8", {file, {"reason", "a\xFF"}}, 400, "bad_request", "byte 1 is 0xff"},
      {"config not json", {file, {"config", "{"}}, 400, "bad_config_json", "Malformed configuration at byte 1"},
      {"config not utf-8", {file, {"config", "{\"a\":\"\xFF\"}"}}, 400, "bad_config_json", "at byte 6"},
      {"large module",
       {{"file", std::string(1001, 'x')}},
       413,
       "too_large",
       "The module has 1001 bytes; the limit is 1000 bytes"},
      {"large config", {{"config", std::string((1U << 20U) + 1, ' ')}}, 413, "too_large", "the limit is 1048576 bytes"},
  };
  for (const char* path : {"/api/v1/wasm/reload", "/api/v1/wasm/load", "/api/v1/wasm/validate"}) {
    for (const BadUpload& row : table) {
      if (row.what == "dry_run" && std::string_view(path).ends_with("validate")) continue;
      const Answer answer = upload(path, row.fields);
      EXPECT_EQ(answer.status, row.status) << row.what << answer.body << answer.failure;
      if (answer.body.empty()) continue;
      EXPECT_EQ(answer.json()["success"], false);
      EXPECT_EQ(answer.json()["code"], row.code) << row.what;
      EXPECT_THAT(answer.json()["error"].get<std::string>(), HasSubstr(row.error)) << row.what;
    }
  }
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
}

TEST_F(ApiReload, RefusesBodiesOfAnotherShape) {
  start();
  const std::string multipart = fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary);
  struct Row {
    std::string body;
    std::vector<std::string> headers;
    int status;
    const char* code;
  };
  const Row table[] = {
      {"{}", {"Content-Type: application/json"}, 415, "unsupported_media_type"},
      {"a=b", {"Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
      {"x", {"Content-Type:"}, 415, "unsupported_media_type"},
      {multipart_body({{"file", "x"}}), {multipart, "Content-Encoding: gzip"}, 415, "unsupported_media_type"},
      {"x", {"Content-Type: multipart/form-data"}, 400, "bad_multipart"},
      {"x", {multipart}, 400, "bad_multipart"},
      {multipart_body({{"file", "x"}}).substr(0, 60), {multipart}, 400, "bad_multipart"},
      {"", {multipart}, 400, "missing_file"},
      {"", {"Content-Type:"}, 400, "missing_file"},
  };
  for (const Row& row : table) {
    const Answer answer = post("/api/v1/wasm/reload", row.body, row.headers);
    EXPECT_EQ(answer.status, row.status) << row.headers.front() << answer.body << answer.failure;
    EXPECT_EQ(answer.json()["code"], row.code);
  }
  EXPECT_EQ(request("POST", "/api/v1/wasm/reload").json()["code"], "missing_file");
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
}

TEST_F(ApiReload, TakesNothingFromThePagesOfOtherSites) {
  start();
  const std::string body = multipart_body({{"file", "x"}});
  const std::string type = fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary);
  const std::string own = fmt::format("Origin: http://127.0.0.1:{}", server_->port());
  for (const char* header : {"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"}) {
    const Answer answer = post("/api/v1/wasm/reload", body, {type, header});
    EXPECT_EQ(answer.status, 403) << header;
    EXPECT_EQ(answer.json()["code"], "forbidden");
  }
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
  EXPECT_EQ(post("/api/v1/wasm/reload", body, {type, own, "Sec-Fetch-Site: same-origin"}).status, 200);
}

// DNS rebinding: the page's name leads here, so that a browser takes both for one site.
TEST_F(ApiReload, TakesNothingByANameThatAnybodyMayGiveItsAddress) {
  start();
  const std::string body = multipart_body({{"file", "x"}});
  const std::string type = fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary);
  for (const std::string name : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "waf", "127.0.0.",
                                 "[evil.example]", "[::1", "[", "0x7f.1", "%6cocalhost", "localhost."}) {
    const std::string host = fmt::format("Host: {}:{}", name, server_->port());
    const std::string own = fmt::format("Origin: http://{}:{}", name, server_->port());
    const Answer written = post("/api/v1/wasm/reload", body, {type, host, own, "Sec-Fetch-Site: same-origin"});
    EXPECT_EQ(written.status, 403) << host;
    EXPECT_THAT(written.json()["error"].get<std::string>(), HasSubstr("api.keys"));
    for (const char* path : {"/api/v1/wasm/history", "/metrics", "/healthz", "/nothing"}) {
      EXPECT_EQ(get(path, {host, "Sec-Fetch-Site: same-origin"}).json()["code"], "forbidden") << host << path;
    }
  }
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
  for (const char* host :
       {"localhost", "LocalHost:80", "127.0.0.1", "127.8.9.1:9090", "[::1]:9090", "[::1]", "10.0.0.7"}) {
    EXPECT_EQ(get("/api/v1/wasm/history", {fmt::format("Host: {}", host)}).status, 200) << host;
  }
}

class ApiRollback : public ApiTest {
 protected:
  ApiRollback() {
    reloader_.on_rollback = [](const Rollback& rollback) {
      RollbackResult result;
      result.name = "universal-waf";
      result.rolled_back_to = "v1";
      result.from_version = "v2";
      result.reason = rollback.reason;
      result.workers = {2, 2};
      return result;
    };
  }
};

TEST_F(ApiRollback, TakesAPostWithoutABody) {
  start();
  const Answer answer = request("POST", "/api/v1/wasm/rollback");
  EXPECT_EQ(answer.status, 200) << answer.body << answer.failure;
  EXPECT_THAT(answer.body,
              StartsWith(R"({"success":true,"rolled_back_to":"v1","reason":"Manual rollback","downtime_ms":0,)"));
  EXPECT_THAT(keys_of(answer.json()), ElementsAre("success", "rolled_back_to", "reason", "downtime_ms", "from_version",
                                                  "name", "workers", "max_pause_us", "generation", "warnings"));
  EXPECT_EQ(reloader_.last_rollback()->name, std::nullopt);
  EXPECT_EQ(reloader_.last_rollback()->to_version, std::nullopt);
  EXPECT_EQ(reloader_.last_rollback()->origin.request_id, answer.headers.at("x-request-id"));
}

TEST_F(ApiRollback, TakesTheSameFieldsInEachFormat) {
  start();
  const std::pair<std::string, std::string> calls[] = {
      {"application/json; charset=utf-8", R"({"name":"waf","to_version":"v1","reason":"why not"})"},
      {"application/x-www-form-urlencoded", "name=waf&to_version=v1&reason=why+not"},
      {fmt::format("multipart/form-data; boundary={}", kTestBoundary),
       multipart_body({{"name", "waf"}, {"to_version", "v1"}, {"reason", "why not"}})},
  };
  for (const auto& [type, body] : calls) {
    const Answer answer = post("/api/v1/wasm/rollback", body, {"Content-Type: " + type});
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json()["reason"], "why not");
    EXPECT_EQ(reloader_.last_rollback()->name, "waf");
    EXPECT_EQ(reloader_.last_rollback()->to_version, "v1");
  }
  for (const char* type :
       {"Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded", "Content-Type:"}) {
    EXPECT_EQ(post("/api/v1/wasm/rollback", "", {type}).status, 200) << type;
  }
}

TEST_F(ApiRollback, RefusesWhatItDoesNotUnderstand) {
  start();
  struct Row {
    const char* type;
    const char* body;
    int status;
    const char* code;
  };
  const Row table[] = {
      {"application/json", R"({"version":"v1"})", 400, "unknown_field"},
      {"application/json", "{\"reason\":\"\xC3\x28\"}", 400, "bad_json"},
      {"application/json", R"({"to_version":2})", 400, "bad_request"},
      {"application/json", R"({"to_version":""})", 400, "bad_request"},
      {"text/plain", "v1", 415, "unsupported_media_type"},
      {"", "v1", 415, "unsupported_media_type"},
  };
  for (const Row& row : table) {
    const Answer answer = post("/api/v1/wasm/rollback", row.body, {fmt::format("Content-Type: {}", row.type)});
    EXPECT_EQ(answer.status, row.status) << row.body << answer.body;
    EXPECT_EQ(answer.json()["code"], row.code) << row.body;
  }
  EXPECT_EQ(reloader_.last_rollback(), std::nullopt);
}

TEST_F(ApiReload, RemovesAModuleByItsPath) {
  std::optional<Removal> asked;
  reloader_.on_remove = [&](const Removal& removal) {
    asked = removal;
    RemovalResult result;
    result.name = removal.name;
    result.removed_version = "v2";
    result.modules = {"other"};
    return result;
  };
  start();
  const Answer answer =
      request("DELETE", "/api/v1/wasm/modules/geo-rules?expected_version=v2&reason=blocks%20the%20shop");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, StartsWith(R"({"success":true,"message":"Module removed","name":"geo-rules",)"
                                      R"("removed_version":"v2","reason":null,"downtime_ms":0,)"));
  EXPECT_EQ(answer.json()["modules"], Json({"other"}));
  EXPECT_EQ(asked->name, "geo-rules");
  EXPECT_EQ(asked->expected_version, "v2");
  EXPECT_EQ(asked->reason, "blocks the shop");
  EXPECT_EQ(asked->origin.request_id, answer.headers.at("x-request-id"));

  asked.reset();
  EXPECT_EQ(request("DELETE", "/api/v1/wasm/modules/x?reson=y").json()["code"], "unknown_field");
  EXPECT_EQ(request("DELETE", "/api/v1/wasm/modules/x?reason=").json()["code"], "bad_request");
  EXPECT_EQ(request("DELETE", "/api/v1/wasm/modules/").status, 404);
  EXPECT_EQ(request("DELETE", "/api/v1/wasm/modules").headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(request("GET", "/api/v1/wasm/modules/x").headers.at("allow"), "DELETE");
  EXPECT_EQ(asked, std::nullopt);
}

TEST_F(ApiRollback, ListsTheVersionsThereAre) {
  reloader_.on_rollback = [](const Rollback&) -> Outcome<RollbackResult> {
    Failure failure = failure_of(ErrorCode::kUnknownVersion, "unknown version v9; kept are v1, v2");
    failure.names = {"v1", "v2"};
    return std::unexpected(failure);
  };
  start();
  const Answer answer = post("/api/v1/wasm/rollback", R"({"to_version":"v9"})", {"Content-Type: application/json"});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.json()["versions"], Json({"v1", "v2"}));
}

}  // namespace
}  // namespace secbeat::agent
