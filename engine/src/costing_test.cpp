// What requests cost, counted at the rehearsal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost_requests.hpp"
#include "secbeat/base/files.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::compile;
using testing::guest;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

constexpr std::string_view kSpeaksAbi2 = R"((func (export "secbeat_abi") (result i32) (i32.const 2)))";

// Turns `rounds` times, an i32 expression, at every request.
std::string turns(std::string_view rounds, std::string_view more = kSpeaksAbi2) {
  return guest("(local $i i32) (local.set $i " + std::string(rounds) +
                   ") (loop $l (if (local.get $i) (then (local.set $i (i32.sub (local.get $i) (i32.const 1))) "
                   "(br $l)))) (i32.const 0)",
               more);
}

TEST(Cost, IsThatOfTheMostExpensiveRequestAndNamesIt) {
  const auto body = compile(turns("(i32.load offset=76 (local.get $ptr))"));  // the body's length
  ASSERT_FALSE(body.error) << body.error->message;
  ASSERT_TRUE(body.cost);
  EXPECT_GT(body.cost->fuel, 5U * (128U << 10U));
  EXPECT_LT(body.cost->fuel, 20U * (128U << 10U));
  EXPECT_EQ(body.cost->request, "large-body");
  EXPECT_FALSE(body.cost->at_least);

  const auto uri = compile(turns("(i32.load offset=44 (local.get $ptr))"));  // the URI's
  EXPECT_EQ(uri.cost.value().request, "long-uri");
  const auto headers = compile(turns("(i32.load offset=104 (local.get $ptr))"));  // how many headers there are
  EXPECT_EQ(headers.cost.value().request, "two-hundred-headers");
  EXPECT_LT(headers.cost->fuel, 4000U);
}

TEST(Cost, IsTheSameEachTime) {
  const std::string module = turns("(i32.load offset=4 (local.get $ptr))");
  const auto first = compile(module).cost;
  ASSERT_TRUE(first);
  EXPECT_EQ(compile(module).cost, first);
}

TEST(Cost, DoesNotCountABodyThatTheModuleIsNotGiven) {
  const auto report = compile(turns("(i32.load offset=76 (local.get $ptr))",
                                    R"((func (export "secbeat_abi") (result i32) (i32.const 2))
                                       (func (export "secbeat_needs") (result i32) (i32.const 0)))"));
  EXPECT_LT(report.cost.value().fuel, 1000U);
}

TEST(Cost, DoesNotCountConfigure) {
  const auto report = compile(guest("(i32.const 0)", R"((func (export "configure") (param i32 i32) (result i32)
    (local $i i32) (local.set $i (i32.const 100000))
    (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $l (local.get $i))) (i32.const 0)))"));
  EXPECT_LT(report.cost.value().fuel, 1000U);
}

// Endless where a body is nested, which no request of the rehearsal proper is.
TEST(Cost, OfARequestThatNeverEndsIsAtLeastTheMostThatIsCounted) {
  const auto report = compile(
      guest("(loop $l (br_if $l (i32.eq (i32.load8_u (i32.add (local.get $ptr) (i32.load offset=72 (local.get $ptr)))) "
            "(i32.const 91)))) (i32.const 0)",
            kSpeaksAbi2));
  ASSERT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(report.cost.value(), (Cost{kMostFuel, "nested-arrays", true}));
  EXPECT_THAT(report.warnings, ::testing::ElementsAre(HasSubstr("nested-arrays was stopped after")));
}

TEST(Cost, RequestsAreHeldToTheSameAsOtherSamples) {
  const auto report = compile(guest(
      "(if (i32.eq (i32.load8_u (i32.add (local.get $ptr) (i32.load offset=72 (local.get $ptr)))) (i32.const 91)) "
      "(then unreachable)) (i32.const 0)",
      kSpeaksAbi2));
  EXPECT_EQ(report.error.value().code, ErrorCode::kSampleTrapped);
  EXPECT_THAT(report.error->message, HasSubstr("nested-arrays trapped"));
}

// Frames of code that is not optimised are larger, so that it may overflow where the real code does not.
TEST(Cost, IsCountedUpToWhereOnlyTheCountingCodeFails) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module", guest("(i32.const 0)"));
  job.counting_output = folder.file("counting");
  const auto made = run_compile_job(job);
  ASSERT_TRUE(made && made->cost && !made->counting_sha256.empty());
  job = {};
  job.artifact = folder.with("artifact", testing::artifact_of(guest("(i32.const 0)")));
  job.artifact_sha256 = sha256_hex(testing::artifact_of(guest("(i32.const 0)")));
  job.module = folder.with("other", guest("unreachable"));
  const auto report = run_compile_job(job);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->error);
  EXPECT_TRUE(report->cost.value().at_least);
}

TEST(Cost, IsCountedByAnArtifactThatWasMadeEarlier) {
  const TemporaryFolder folder;
  const std::string module = turns("(i32.load offset=76 (local.get $ptr))");
  CompileJob job;
  job.module = folder.with("module", module);
  job.output = folder.file("artifact");
  job.counting_output = folder.file("counting");
  const auto made = run_compile_job(job);
  ASSERT_TRUE(made && made->cost) << made->warnings.size();

  CompileJob again;
  again.artifact = job.output;
  again.artifact_sha256 = made->artifact_sha256;
  again.counting = job.counting_output;
  again.counting_sha256 = made->counting_sha256;
  const auto report = run_compile_job(again);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->cost, made->cost);
  EXPECT_EQ(report->counting_sha256, "");

  // Executable code: what is not what it should be is not run, and the module has done nothing wrong.
  again.counting_sha256 = sha256_hex("another");
  const auto damaged = run_compile_job(again);
  EXPECT_FALSE(damaged.value().error);
  EXPECT_FALSE(damaged->cost);
  EXPECT_THAT(damaged->warnings, ::testing::ElementsAre(HasSubstr("not known")));
}

TEST(Cost, IsNotCountedWhereNobodyAsks) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module", guest("(i32.const 0)"));
  job.counting_output = folder.file("counting");
  job.costing = Costing::kSkip;
  EXPECT_FALSE(run_compile_job(job).value().cost);
  job = {};
  job.artifact = folder.with("artifact", testing::artifact_of(guest("(i32.const 0)")));
  job.artifact_sha256 = sha256_hex(testing::artifact_of(guest("(i32.const 0)")));
  const auto report = run_compile_job(job);
  EXPECT_FALSE(report.value().cost) << "there is nothing to count it with";
  EXPECT_THAT(report->warnings, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder.file("counting")));
}

TEST(CostRequests, FitWhatNginxTakesAndANodeInspects) {
  const CostRequests requests;
  EXPECT_GT(requests.all().size(), 15U);
  for (const Sample& sample : requests.all()) {
    std::size_t headers = 0;
    for (const HeaderView& header : sample.request.headers) {
      const std::size_t line = header.name.size() + header.value.size() + 4;
      EXPECT_LT(line, 8000U) << sample.name;
      headers += line;
    }
    EXPECT_LT(sample.request.uri.size(), 8000U) << sample.name;
    EXPECT_LE(headers, 32U << 10U) << sample.name;
    EXPECT_LE(sample.request.body.size(), 128U << 10U) << sample.name;
    EXPECT_GT(sample.request.uri.size() + headers + sample.request.body.size(), 7000U) << sample.name;
  }
}

}  // namespace
}  // namespace secbeat::engine
