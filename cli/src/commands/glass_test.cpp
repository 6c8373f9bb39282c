// Times, and what is said in an emergency.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/glass_options.hpp"
#include "commands/render.hpp"

namespace secbeat::cli {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Durations, AreANumberAndAUnit) {
  EXPECT_EQ(duration_of("90"), seconds(90));
  EXPECT_EQ(duration_of("90s"), seconds(90));
  EXPECT_EQ(duration_of("10m"), seconds(600));
  EXPECT_EQ(duration_of("2h"), seconds(7200));
  for (const char* wrong :
       {"", "m", "0", "0m", "-1m", "1.5h", "10 m", "10x", "10mm", "99999999999999999999", "34560001"}) {
    EXPECT_FALSE(duration_of(wrong)) << wrong;
  }
}

Client client_of(const std::string& address, const std::string& state_dir = "") {
  Target target;
  target.address = address;
  target.state_dir = state_dir;
  return Client(target);
}

TEST(StateDirectory, OfAnotherNodeIsNotTakenForThatOfThisOne) {
  const GlassOptions options;
  EXPECT_NE(options.folder(client_of(std::string(kDefaultAddress))), "");
  for (const char* other : {"http://127.0.0.1:9191", "http://10.0.0.1:9090", "https://edge-1.example:9090"}) {
    EXPECT_EQ(options.folder(client_of(other)), "") << other;
  }
  EXPECT_EQ(options.folder(client_of("http://10.0.0.1:9090", "/run/named")), "/run/named");
  GlassOptions named;
  named.state_dir = "/run/given";
  EXPECT_EQ(named.folder(client_of("http://10.0.0.1:9090", "/run/named")), "/run/given");
}

TEST(RenderBreakGlass, SaysWhatIsInEffectAndHowItEnds) {
  const Json state = Json::parse(R"({"bypass":{"since":"a","until":"b","by":"api","reason":"the\u001b[2J shop"},
      "frozen":{"since":"c","until":null,"by":"scoreboard:root","reason":"incident"},
      "taken_back":[{"name":"waf","version":"v2","decided_by":"v1"}],"requests_bypassed":3,
      "workers":{"serving":2,"total":2}})");
  ASSERT_TRUE(check_shape(state, kBreakGlassShape));
  EXPECT_THAT(render_break_glass(state),
              AllOf(HasSubstr("since a until b by api: the?[2J shop"), HasSubstr("secbeat bypass --off"),
                    HasSubstr("since c by scoreboard:root: incident"), HasSubstr("waf is decided by v1 in place of v2"),
                    Not(HasSubstr("\x1b"))));
  EXPECT_EQ(render_break_glass(Json::parse(R"({"bypass":null,"frozen":null,"taken_back":[]})")), "");
}

TEST(RenderDrill, CountsAndAdvises) {
  const Json checks = Json::parse(R"([{"check":"bypass","result":"fail","found":"worker 7 does not answer",
      "advice":"kill it"},{"check":"freeze","result":"ok","found":"fine","advice":null}])");
  EXPECT_THAT(render_drill(checks), AllOf(HasSubstr("fail  bypass: worker 7 does not answer\n      kill it"),
                                          HasSubstr("2 checks, 0 warnings, 1 failures"), HasSubstr("would not work")));
}

}  // namespace
}  // namespace secbeat::cli
