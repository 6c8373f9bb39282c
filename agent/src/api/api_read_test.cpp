// The calls that change nothing: shapes, parameters, errors.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

VersionView second_version() {
  VersionView view;
  view.name = "universal-waf";
  view.version = "v2";
  view.loaded_at = "2025-11-24T01:00:03Z";
  view.previous_version = "v1";
  view.size_bytes = 87040;
  view.sha256 = std::string(64, 'a');
  view.generation = 3;
  view.kept = {"v1"};
  view.workers = {{4711, "v2", 3, "2025-11-24T01:00:03Z"}};
  return view;
}

TEST_F(ApiTest, VersionAnswersAsPromised) {
  std::optional<std::string> asked = "nothing";
  reloader_.on_version = [&](const std::optional<std::string>& name) {
    asked = name;
    return second_version();
  };
  start();
  const Answer answer = get("/api/v1/wasm/version");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, StartsWith(R"({"name":"universal-waf","version":"v2","loaded_at":"2025-11-24T01:00:03Z",)"
                                      R"("previous_version":"v1","size_bytes":87040,"sha256":")"));
  EXPECT_EQ(answer.json()["workers"],
            Json::parse(R"([{"pid":4711,"version":"v2","generation":3,"since":"2025-11-24T01:00:03Z"}])"));
  EXPECT_EQ(answer.json()["kept"], Json::parse(R"(["v1"])"));
  EXPECT_EQ(asked, std::nullopt);
  EXPECT_EQ(get("/api/v1/wasm/version?name=a%20b").status, 200);
  EXPECT_EQ(asked, "a b");
}

TEST_F(ApiTest, OperationTellsWhatIsUnderWay) {
  start();
  EXPECT_EQ(get("/api/v1/wasm/operation").body, "{\"operation\":null}\n");
  reloader_.under_way = Operation{.name = "universal-waf",
                                  .kind = "reload",
                                  .stage = OperationStage::kStage,
                                  .since = "2025-11-24T01:00:03Z",
                                  .elapsed_ms = 41,
                                  .request_id = "r1"};
  EXPECT_EQ(get("/api/v1/wasm/operation").body,
            R"({"operation":{"name":"universal-waf","kind":"reload","stage":"stage","since":"2025-11-24T01:00:03Z",)"
            R"("elapsed_ms":41,"request_id":"r1"}})"
            "\n");
}

TEST_F(ApiTest, VersionOfAnUnknownModuleListsThoseThereAre) {
  reloader_.on_version = [](const std::optional<std::string>&) -> Outcome<VersionView> {
    Failure failure;
    failure.error = {ErrorCode::kUnknownModule, "unknown module x; there are: a, b"};
    failure.names = {"a", "b"};
    return std::unexpected(failure);
  };
  start();
  const Answer answer = get("/api/v1/wasm/version?name=x");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.json()["code"], "unknown_module");
  EXPECT_EQ(answer.json()["modules"], Json({"a", "b"}));
  EXPECT_EQ(get("/api/v1/wasm/errors?name=x").status, 404);
}

TEST_F(ApiTest, HistoryAnswersAsPromised) {
  HistoryRow row;
  row.id = 2;
  row.timestamp = "2025-11-24T01:00:03Z";
  row.version = "v2";
  row.duration_ms = 8;
  row.requests_during_reload = 1247;
  row.success = true;
  row.kind = "reload";
  HistoryRow failed = row;
  failed.id = 1;
  failed.success = false;
  failed.error = "Invalid WASM module: missing memory export";
  reloader_.history_rows = {row, failed};
  start();
  const Answer answer = get("/api/v1/wasm/history");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              StartsWith(R"({"reloads":[{"timestamp":"2025-11-24T01:00:03Z","version":"v2","duration_ms":8,)"
                         R"("requests_during_reload":1247,"success":true,"id":2,)"));
  EXPECT_EQ(answer.json()["reloads"][0]["error"], Json());
  EXPECT_EQ(answer.json()["reloads"][1]["error"], failed.error);
  EXPECT_EQ(answer.json()["next_before"], Json());
  EXPECT_EQ(reloader_.last_page().limit, 50U);

  const Json first = get("/api/v1/wasm/history?limit=1").json();
  EXPECT_EQ(first["reloads"].size(), 1U);
  EXPECT_EQ(first["next_before"], 2);
  EXPECT_EQ(get("/api/v1/wasm/history?limit=1&before=2").json()["reloads"][0]["id"], 1);
}

TEST_F(ApiTest, ParametersAreChecked) {
  start();
  const std::pair<const char*, const char*> table[] = {
      {"/api/v1/wasm/history?limit=0", "bad_request"},
      {"/api/v1/wasm/history?limit=1001", "bad_request"},
      {"/api/v1/wasm/history?limit=ten", "bad_request"},
      {"/api/v1/wasm/history?limit=", "bad_request"},
      {"/api/v1/wasm/history?limit=1&limit=2", "bad_request"},
      {"/api/v1/wasm/history?before=0", "bad_request"},
      {"/api/v1/wasm/history?before=v1", "bad_request"},
      {"/api/v1/wasm/history?sort=asc", "unknown_field"},
      {"/api/v1/wasm/version?nmae=x", "unknown_field"},
      {"/api/v1/wasm/modules?name=x", "unknown_field"},
      {"/api/v1/wasm/errors?since=yesterday", "bad_request"},
      {"/api/v1/wasm/errors?limit=-1", "bad_request"},
      {"/api/v1/requests?verdict=allow", "bad_request"},
      {"/api/v1/requests?before=now", "bad_request"},
      {"/api/v1/wasm/errors?before=1", "unknown_field"},
      {"/api/v1/wasm/versions/abc", "bad_request"},
      {"/healthz?x", "unknown_field"},
  };
  for (const auto& [path, code] : table) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(answer.json()["code"], code) << path;
  }
  EXPECT_EQ(get("/api/v1/wasm/history?limit=1000&before=9223372036854775807&name=x").status, 200);
  const Json unknown = get("/api/v1/wasm/errors?sincd=1").json();
  EXPECT_EQ(unknown["error"], "Unknown query parameter \"sincd\"; known are name, version, since, limit");
  EXPECT_EQ(unknown["known"], Json({"name", "version", "since", "limit"}));
  EXPECT_EQ(post("/api/v1/wasm/rollback?name=x", "", {}).status, 400);
}

TEST_F(ApiTest, ModulesAreInTheOrderOfTheChain) {
  VersionView first = second_version();
  first.name = "b";
  VersionView second = second_version();
  second.name = "a";
  reloader_.module_list = {first, second};
  start();
  const Answer answer = get("/api/v1/wasm/modules");
  EXPECT_THAT(answer.body, StartsWith(R"({"modules":[{"name":"b","size":87040,"loaded_at":"2025-11-24T01:00:03Z",)"));
  EXPECT_EQ(answer.json()["modules"][0]["size_bytes"], 87040);
  EXPECT_EQ(answer.json()["modules"][1]["name"], "a");
}

TEST_F(ApiTest, VersionsAreListedAndTheirBytesGiven) {
  const std::string sha256(64, 'e');
  const std::string bytes("\0asm\1\0\0\0", 8);
  reloader_.bytes_by_sha256[sha256] = bytes;
  reloader_.version_list = {{2, "waf", "v2", sha256, "", 8, "2025-11-24T01:00:03Z", "serving"},
                            {1, "waf", "v1", sha256, "", 8, "2025-11-24T01:00:00Z", "kept"}};
  start();
  const Json list = get("/api/v1/wasm/versions?name=waf&limit=1").json();
  EXPECT_EQ(list["versions"].size(), 1U);
  EXPECT_EQ(list["total"], 2);
  EXPECT_EQ(list["next_before"], 2);
  EXPECT_EQ(get("/api/v1/wasm/versions?before=2").json()["versions"][0]["version"], "v1");
  EXPECT_EQ(list["versions"][0]["state"], "serving");
  EXPECT_EQ(list["versions"][0]["config_sha256"], Json());

  const Answer answer = get("/api/v1/wasm/versions/" + sha256);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, bytes);
  EXPECT_EQ(answer.headers.at("content-type"), "application/wasm");
  EXPECT_EQ(answer.headers.at("etag"), "\"" + sha256 + "\"");
  EXPECT_EQ(get("/api/v1/wasm/versions/" + std::string(64, 'f')).status, 404);
  EXPECT_EQ(get("/api/v1/wasm/versions/" + sha256 + "/x").status, 404);
  EXPECT_EQ(get("/api/v1/wasm/versions/").status, 404);
}

control::Event event_now(std::string kind, std::uint64_t version_id, std::string uri) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(RealClock().now().time_since_epoch());
  return {now.count(), "GET", std::move(uri), "192.0.2.1", "waf", version_id, std::move(kind), "", "said"};
}

TEST_F(ApiTest, ErrorsAnswerAsPromised) {
  reloader_.labels = {{1, "v1"}, {2, "v2"}};
  for (const char* uri : {"/a", "/b"}) {
    control::Event trap = event_now("trap", 1, uri);
    trap.unix_ms -= 1000;
    events_.add(trap);
  }
  events_.add(event_now("deadline", 2, "/c\xFF\n"));
  control::Event old = event_now("memory", 2, "/old");
  old.unix_ms -= 400000;
  events_.add(old);
  start();
  const Json answer = get("/api/v1/wasm/errors").json();
  std::vector<std::string> keys;
  for (const auto& [key, value] : answer.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("module", "version", "window_seconds", "totals", "errors"));
  EXPECT_EQ(answer["window_seconds"], 300);
  EXPECT_EQ(answer["totals"], Json::parse(R"({"trap":2,"deadline":1,"memory":0,"bad_verdict":0,"no_instance":0})"));
  ASSERT_EQ(answer["errors"].size(), 2U);
  keys.clear();
  for (const auto& [key, value] : answer["errors"][0].items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("timestamp", "version", "kind", "message", "count", "first_seen", "last_seen", "sample",
                                "module"));
  EXPECT_EQ(answer["errors"][0]["sample"]["uri"], "/c\uFFFD\n");

  const Json of_v1 = get("/api/v1/wasm/errors?version=v1&name=waf").json();
  EXPECT_EQ(of_v1["module"], "waf");
  EXPECT_EQ(of_v1["version"], "v1");
  EXPECT_EQ(of_v1["errors"][0]["count"], 2);
  EXPECT_EQ(of_v1["totals"]["deadline"], 0);
  EXPECT_EQ(get("/api/v1/wasm/errors?since=3600").json()["errors"].size(), 3U);
  EXPECT_EQ(get("/api/v1/wasm/errors?since=2025-11-24T01:00:03Z&limit=1").json()["errors"].size(), 1U);
}

TEST_F(ApiTest, RequestsAreShownNewestFirstByVerdict) {
  reloader_.labels = {{1, "v1"}};
  events_.add(event_now("block", 1, "/first"));
  events_.add(event_now("log", 9, "/second"));
  start();
  const Json all = get("/api/v1/requests").json();
  ASSERT_EQ(all["requests"].size(), 2U);
  EXPECT_EQ(all["requests"][0]["uri"], "/second");
  EXPECT_EQ(all["requests"][0]["version"], Json());
  EXPECT_EQ(all["requests"][0]["rule"], Json());
  std::vector<std::string> keys;
  for (const auto& [key, value] : all["requests"][0].items()) keys.push_back(key);
  EXPECT_THAT(keys,
              ElementsAre("time", "method", "uri", "source", "verdict", "module", "version", "rule", "message", "id"));
  const Json blocked = get("/api/v1/requests?verdict=block&limit=5").json();
  ASSERT_EQ(blocked["requests"].size(), 1U);
  EXPECT_EQ(blocked["requests"][0]["version"], "v1");
}

TEST_F(ApiTest, ReadinessSaysWhatIsMissing) {
  start();
  EXPECT_EQ(get("/healthz").json(), Json({{"status", "ok"}}));
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/readyz").json(), Json({{"status", "ready"}}));

  reloader_.is_ready = false;
  const Answer empty = get("/readyz");
  EXPECT_EQ(empty.status, 503);
  EXPECT_EQ(empty.json()["code"], "not_ready");
  EXPECT_EQ(empty.json()["reasons"].size(), 2U);

  control::Slot slot;
  slot.current = 1;
  reloader_.document.generation = 5;
  reloader_.document.slots = {slot};
  hub_.worker_list = {{11, 0, 5, 0, true}, {12, 1, 4, 0, true}};
  const Json outdated = get("/readyz").json();
  ASSERT_EQ(outdated["reasons"].size(), 1U);
  EXPECT_THAT(outdated["reasons"][0].get<std::string>(), HasSubstr("worker 12 serves generation 4, not 5"));
}

}  // namespace
}  // namespace secbeat::agent
