#include "node_api/progress.hpp"

#include <gtest/gtest.h>

namespace secbeat::cli {
namespace {

TEST(ProgressLine, SaysWhatTheNodeDoesForThisCall) {
  const Json answer = Json::parse(
      R"({"operation":{"name":"waf","kind":"reload","stage":"check","elapsed_ms":1234,"request_id":"mine"}})");
  EXPECT_EQ(progress_line(answer, "mine"), "reload of waf: validating, compiling and rehearsing, 1.2 s");
  EXPECT_EQ(progress_line(answer, "other"), "waiting: another reload of waf is under way, 1.2 s");
}

TEST(ProgressLine, PassesOnAStageOfANewerNode) {
  const Json answer = Json::parse(
      R"({"operation":{"name":"waf","kind":"reload","stage":"wat\u001bch","elapsed_ms":0,"request_id":"mine"}})");
  EXPECT_EQ(progress_line(answer, "mine"), "reload of waf: wat?ch, 0.0 s");
}

TEST(ProgressLine, IsEmptyWhereNothingIsUnderWay) {
  for (const char* text : {"{}", R"({"operation":null})", R"({"operation":[]})", R"({"operation":{"name":"waf"}})",
                           R"({"operation":{"elapsed_ms":"1"}})"}) {
    EXPECT_EQ(progress_line(Json::parse(text), "mine"), "") << text;
  }
}

}  // namespace
}  // namespace secbeat::cli
