// Tests of rules as data: how the document is read, and how a module is held to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/rule_tests.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string refusal(std::string_view text) {
  const auto tests = read_rule_tests(text);
  return tests ? "" : tests.error().message;
}
std::string refusal_of(const std::string& test) { return refusal("{\"tests\":[" + test + "]}"); }

TEST(RuleTests, AreReadWhole) {
  const auto tests = read_rule_tests(R"({"$schema":"x","description":"d","x-note":1,"tests":[
    {"name":"n","request":{"method":"POST","uri":"/a","headers":{"User-Agent":"u","X":["1","2"]},"body":"b",
     "source_ip":"10.0.0.1","time":"1970-01-01T00:00:01Z"},"verdict":"RateLimit","rule":"r"},
    {"verdict":"Allow","rule":null}, {"verdict":"Log"}]})");
  ASSERT_TRUE(tests) << tests.error().message;
  ASSERT_EQ(tests->size(), 3U);
  const RuleTest& first = tests->front();
  EXPECT_EQ(first.headers,
            (std::vector<std::pair<std::string, std::string>>{{"user-agent", "u"}, {"x", "1"}, {"x", "2"}}));
  EXPECT_EQ(first.unix_ms, 1000U);
  EXPECT_EQ(first.verdict, Verdict::kRateLimit);
  EXPECT_EQ(first.rule, "r");
  EXPECT_EQ((*tests)[1].rule, "");
  EXPECT_EQ((*tests)[1].name, "test number 2");
  EXPECT_EQ((*tests)[2].rule, std::nullopt);
}

TEST(RuleTests, RefuseWhatWouldTestSomethingElse) {
  EXPECT_THAT(refusal_of(R"({"verdict":"block"})"), HasSubstr("test number 1, key \"verdict\""));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block"},{})"), HasSubstr("test number 2, key \"verdict\""));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","rul":"x"})"), HasSubstr("no such key"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"url":"/"}})"), HasSubstr("key \"url\": no such key"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"uri":""}})"), HasSubstr("is empty"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"headers":{"a b":"x"}}})"), HasSubstr("name"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"headers":{"a":"x\r\ny: z"}}})"), HasSubstr("line end"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"headers":{"a":[1]}}})"), HasSubstr("text"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"time":"tomorrow"}})"), HasSubstr("expected a time"));
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","request":{"time":"1970-01-01T00:00:00+01:00"}})"),
              HasSubstr("expected a time"));
  EXPECT_LT(
      refusal_of(R"({"verdict":"Block","request":{"headers":{")" + std::string(100'000, 'a') + R"(":1}}})").size(),
      400U);
  EXPECT_THAT(refusal_of(R"({"verdict":"Block","name":""})"), HasSubstr("200 bytes"));
}

TEST(RuleTests, WithstandHostileDocuments) {
  for (const std::string text :
       {"", "{", "[]", "null", "{}", R"({"tests":{}})", R"({"tests":[1]})", R"({"tests":[],"test":1})",
        R"({"tests":[{"verdict":1e999}]})", "{\"tests\":[\"\xff\"]}"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
  EXPECT_THAT(refusal("{\"tests\":" + std::string(1'000'000, '[')), HasSubstr("deeper"));
  EXPECT_THAT(refusal(std::string(kMaxRuleTestsBytes + 1, ' ')), HasSubstr("bytes"));
  std::string many = R"({"verdict":"Allow"})";
  for (std::size_t i = 0; i < kMaxRuleTests; ++i) many += R"(,{"verdict":"Allow"})";
  EXPECT_THAT(refusal_of(many), HasSubstr("more than 10000"));
}

CompileReport tested(const std::string& module, std::string_view tests) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", module);
  job.rule_tests = folder.with("tests.json", std::string(tests));
  auto report = run_compile_job(job);
  EXPECT_TRUE(report) << report.error().message;
  return report.value_or(CompileReport{});
}

TEST(RuleTests, AreHeldAgainstTheModuleAndTellWhatDiffers) {
  // Blocks where the method has four bytes, traps where it has five.
  const std::string module = testing::guest(
      "(if (i32.eq (i32.load offset=36 (local.get $ptr)) (i32.const 5)) (then unreachable)) "
      "(i32.eq (i32.load offset=36 (local.get $ptr)) (i32.const 4))",
      R"((func (export "secbeat_abi") (result i32) (i32.const 2)))");
  const auto report = tested(module, R"({"tests":[{"name":"four","request":{"method":"POST"},"verdict":"Block"},
    {"name":"three","verdict":"Block"}, {"name":"no rule","request":{"method":"POST"},"verdict":"Block","rule":"r"},
    {"name":"five","request":{"method":"TRACE"},"verdict":"Allow"},{"name":"after","verdict":"Allow","rule":null}]})");
  ASSERT_FALSE(report.error) << report.error->message;
  ASSERT_TRUE(report.rule_tests);
  EXPECT_EQ(report.rule_tests->run, 5U);
  ASSERT_EQ(report.rule_tests->failed, 3U) << summary(*report.rule_tests);
  EXPECT_EQ(report.rule_tests->failures[0].name, "three");
  EXPECT_EQ(report.rule_tests->failures[0].expected, "Block");
  EXPECT_EQ(report.rule_tests->failures[0].got, "Allow");
  EXPECT_EQ(report.rule_tests->failures[1].expected, "Block r");
  EXPECT_THAT(report.rule_tests->failures[2].got, HasSubstr("no verdict (trap"));
  EXPECT_THAT(summary(*report.rule_tests), HasSubstr("3 of 5 rule tests fail: \"three\" expected Block, got Allow; "));

  const auto again = compile_report_from_json(to_json(report));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->rule_tests->failed, 3U);
  EXPECT_EQ(again->rule_tests->failures[1].expected, "Block r");
}

TEST(RuleTests, AreToldShortly) {
  RuleTestReport report{.run = 50, .not_run = 0, .failed = 50, .failures = {}};
  for (int i = 0; i < 50; ++i) {
    report.failures.push_back({std::string(5000, 'n'), std::string(5000, 'e'), std::string(5000, 'g')});
  }
  EXPECT_LT(summary(report).size(), 7000U);
  EXPECT_THAT(summary(report), HasSubstr("; and 40 more"));
}

TEST(RuleTests, HaveATimeForAllOfThem) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", testing::guest("(i32.const 0)", ""));
  job.rule_tests = folder.with("tests.json", R"({"tests":[{"verdict":"Allow"},{"verdict":"Allow"}]})");
  job.rule_tests_time = std::chrono::milliseconds(0);
  const auto report = run_compile_job(job);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_TRUE(report->rule_tests);
  EXPECT_FALSE(passed(*report->rule_tests));
  EXPECT_EQ(report->rule_tests->not_run, 2U);
  EXPECT_EQ(summary(*report->rule_tests), "the time for rule tests was over after 0 of 2");
  EXPECT_EQ(compile_report_from_json(to_json(*report))->rule_tests->not_run, 2U);
}

TEST(RuleTests, ThatCannotBeReadAreNoFaultOfTheModule) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", testing::guest("(i32.const 0)", ""));
  job.rule_tests = folder.with("tests.json", "{");
  const auto report = run_compile_job(job);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("malformed JSON at byte"));
}

}  // namespace
}  // namespace secbeat::engine
