#include "commands/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RenderReload, TellsVersionsWorkersAndTheWayBack) {
  const Json answer = Json::parse(R"({"success":true,"message":"Module reloaded","name":"waf","version":"v2",
      "previous_version":"v1","downtime_ms":0,"max_pause_us":4,"requests_during_reload":1247,
      "workers":{"serving":2,"total":2},"stages":{"compile_ms":41.2,"total_ms":48.6},"warnings":["big"]})");
  ASSERT_TRUE(check_shape(answer, kReloadShape));
  EXPECT_THAT(
      render_reload(answer),
      AllOf(HasSubstr("waf v1 → v2"), HasSubstr("workers 2 of 2, pause 4 µs (downtime 0 ms), 1,247 requests"),
            HasSubstr("compile 41.2, total 48.6"), HasSubstr("warning: big"), HasSubstr("secbeat rollback waf")));
}

TEST(RenderReload, TellsTheCostAndTheRulesThatCameAndWent) {
  Json answer = Json::parse(R"({"success":true,"message":"Module reloaded","name":"waf","version":"v2",
      "previous_version":"v1","stages":{},"warnings":[],
      "cost":{"fuel":1392750,"request":"blanks","at_least":true},
      "inventory":{"rules":1200,"added":1030,"removed":1,"changed":0,"added_ids":["a\u001b","b"],"removed_ids":["c"],
                   "changed_ids":[]}})");
  EXPECT_THAT(render_reload(answer),
              AllOf(HasSubstr("cost: at least 1,392,750 fuel (blanks)"), HasSubstr("rules: 1,200\n"),
                    HasSubstr("added 1,030: a?, b, …"), HasSubstr("removed 1: c\n"), Not(HasSubstr("changed"))));
  answer["cost"] = nullptr;
  answer["inventory"] = nullptr;
  EXPECT_THAT(render_reload(answer), AllOf(Not(HasSubstr("cost")), Not(HasSubstr("rules"))));
  answer["cost"] = {{"fuel", "many"}};
  answer["inventory"] = {{"rules", Json::array()}, {"added", 1}, {"added_ids", 7}};
  EXPECT_THAT(render_reload(answer), HasSubstr("cost: many fuel"));
}

TEST(RenderReload, OfAFirstVersionNamesNoWayBack) {
  const Json answer = Json::parse(R"({"success":true,"message":"Module reloaded","name":"waf","version":"v1",
      "previous_version":null,"stages":{},"warnings":[]})");
  EXPECT_THAT(render_reload(answer), Not(HasSubstr("rollback")));
}

TEST(RenderErrors, ShowsCountsAndTheNewestRequest) {
  const Json answer = Json::parse(R"({"window_seconds":300,"totals":{"trap":2,"deadline":0},"errors":[{"timestamp":"t",
      "version":"v2","kind":"trap","message":"unreachable","count":2,"last_seen":"2025-11-24T01:00:03Z",
      "sample":{"method":"GET","uri":"/\u001b[2J","source_ip":"192.0.2.1"},"module":"waf"}]})");
  ASSERT_TRUE(check_shape(answer, kErrorsShape));
  EXPECT_THAT(render_errors(answer), AllOf(HasSubstr("GET /?[2J from 192.0.2.1"), HasSubstr("last 300 s: trap 2"),
                                           Not(HasSubstr("deadline")), Not(HasSubstr("\x1b"))));
}

TEST(RenderErrors, OfNoneSaysSo) {
  EXPECT_THAT(render_errors(Json::parse(R"({"window_seconds":60,"totals":{},"errors":[]})")), HasSubstr("No module"));
}

TEST(RenderHistory, ShowsWhatAFailedAttemptWanted) {
  const Json answer = Json::parse(R"({"reloads":[{"timestamp":"t","name":"waf","kind":"reload","version":"v1",
      "attempted_version":"v2","success":false,"error":"no","reason":"try","duration_ms":8}]})");
  EXPECT_THAT(render_history(answer), AllOf(HasSubstr("v1 (not v2)"), HasSubstr("failed"), HasSubstr("no")));
  const Json called = Json::parse(R"({"reloads":[{"timestamp":"t","success":true,"by":"ci","source_ip":"192.0.2.1"},
      {"timestamp":"t","success":true,"by":"local","source_ip":"127.0.0.1"}]})");
  EXPECT_THAT(render_history(called), AllOf(HasSubstr("  ci at 192.0.2.1  "), HasSubstr("  local  ")));
}

TEST(Renderings, TakeNumbersThatTheMachineHasNot) {
  const Json modules = Json::parse(R"({"modules":[{"name":"waf","size":111111111111118704000}]})");
  EXPECT_THAT(render_modules(modules), HasSubstr("waf"));
  const Json errors = Json::parse(R"({"window_seconds":1e300,"totals":{},"errors":[]})");
  EXPECT_THAT(render_errors(errors), HasSubstr("No module"));
}

TEST(Shapes, RefuseAnEmptyObject) {
  for (const auto shape : {std::span<const Field>(kReloadShape), std::span<const Field>(kRollbackShape),
                           std::span<const Field>(kVersionShape), std::span<const Field>(kHistoryShape),
                           std::span<const Field>(kModulesShape), std::span<const Field>(kErrorsShape),
                           std::span<const Field>(kRequestsShape), std::span<const Field>(kReadyShape)}) {
    EXPECT_FALSE(check_shape(Json::object(), shape));
  }
}

}  // namespace
}  // namespace secbeat::cli
