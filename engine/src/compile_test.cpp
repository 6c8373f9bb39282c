// The compile job: every check with its code and its sentence.
#include "secbeat/engine/compile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "secbeat/base/files.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using ::testing::AllOf;
using testing::compile;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::guest;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TemporaryFolder;
using testing::wasm;

constexpr std::string_view kInspect = R"((func (export "inspect_request") (param i32 i32) (result i32) (i32.const 0)))";
constexpr std::string_view kMemory = R"((memory (export "memory") 1))";

std::string module_of(std::string_view definitions) { return wasm("(module " + std::string(definitions) + ")"); }

Error error_of(std::string_view module, std::string_view config = "", const Limits& limits = {}) {
  const auto report = compile(module, config, limits);
  EXPECT_TRUE(report.error);
  return report.error.value_or(Error{});
}

TEST(CompileJob, MakesAnArtifactThatLoads) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", guest("(i32.const 1)"));
  job.output = folder.file("artifact");
  const auto report = run_compile_job(job);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->error);
  EXPECT_THAT(report->warnings, IsEmpty());
  EXPECT_EQ(report->abi, 1);
  EXPECT_TRUE(report->needs_body);
  EXPECT_FALSE(report->exports_configure);
  EXPECT_GT(report->validate_ms, 0);
  EXPECT_GT(report->compile_ms, 0);
  EXPECT_GT(report->rehearse_ms, 0);

  const auto bytes = read_file(job.output, std::size_t{64} << 20U);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(sha256_hex(*bytes), report->artifact_sha256);
  EXPECT_EQ(bytes->size(), report->artifact_bytes);
  testing::Host host;
  EXPECT_TRUE(Artifact::load(host.engine(), *bytes, report->artifact_sha256));
}

TEST(CompileJob, WritesNothingWhereACheckFails) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", guest("(i32.const 7)"));
  job.output = folder.file("artifact");
  const auto report = run_compile_job(job);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->error);
  EXPECT_FALSE(std::filesystem::exists(job.output));
}

TEST(CompileJob, SaysWhereABinaryIsBroken) {
  const std::string good = guest("(i32.const 0)");
  for (const std::string& broken : {good.substr(0, good.size() - 3), std::string("hello, world"), std::string(),
                                    good.substr(0, 8) + "\x01\xff\xff\xff\xff\x7f"}) {
    const auto error = error_of(broken);
    EXPECT_EQ(error.code, ErrorCode::kInvalidWasm);
    EXPECT_THAT(error.message,
                AllOf(StartsWith("Invalid WASM module: "), HasSubstr("at offset "), Not(HasSubstr("\n"))));
  }
}

TEST(CompileJob, PassesOnTheReasonAndPlaceOfTheValidator) {
  std::string binary = guest("(i32.const 77)");
  const auto at = binary.rfind(std::string("\x41\xcd\x00", 3));
  ASSERT_NE(at, std::string::npos);
  binary[at] = '\x20';  // local.get 77: there is no such local
  const auto error = error_of(binary);
  EXPECT_EQ(error.code, ErrorCode::kInvalidWasm);
  EXPECT_THAT(error.message,
              ::testing::MatchesRegex("Invalid WASM module: .*unknown local 77.* \\(at offset 0x[0-9a-f]+\\)"));
}

// Validation lets it pass, the compiler does not.
TEST(CompileJob, RefusesALimitThatIsTooLongInBytesAsInvalid) {
  static constexpr char kMemoryOfTwoPagesInSixBytes[] = "\0asm\1\0\0\0\5\x8\1\0\x82\x80\x80\x80\x80";  // ends with \0
  const auto error = error_of(std::string_view(kMemoryOfTwoPagesInSixBytes, sizeof kMemoryOfTwoPagesInSixBytes));
  EXPECT_EQ(error.code, ErrorCode::kInvalidWasm);
  EXPECT_THAT(error.message, AllOf(StartsWith("Invalid WASM module: "), HasSubstr("too long (at offset 0x10)")));
}

TEST(CompileJob, RefusesTheTextFormatAndProposalsThatAreOff) {
  EXPECT_EQ(error_of("(module)").code, ErrorCode::kInvalidWasm);
  const auto memory64 = error_of(module_of("(memory (export \"memory\") i64 1)" + std::string(kInspect)));
  EXPECT_EQ(memory64.code, ErrorCode::kInvalidWasm);
  EXPECT_THAT(memory64.message, HasSubstr("memory64"));
}

TEST(CompileJob, RefusesEveryProposalThatIsOff) {
  for (const std::string_view definition : {
           "(memory 1 2 shared)",
           "(memory 1)",  // a second one
           "(tag (param i32))",
           "(func (param externref))",
           "(func (param anyref))",
           "(type (struct (field i32)))",
           "(func (return_call 0 (i32.const 0) (i32.const 0)) drop)",
           "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))",
           "(func (throw_ref (ref.null exn)))",
           "(memory 1 (pagesize 1))",
       }) {
    const auto error = error_of(module_of(std::string(kMemory) + std::string(kInspect) + std::string(definition)));
    EXPECT_EQ(error.code, ErrorCode::kInvalidWasm) << definition;
  }
}

TEST(CompileJob, RefusesLabelsThatAreNone) {
  const auto error = error_of(guest("(i32.const 0)", R"((@custom "secbeat.version" "newest"))"));
  EXPECT_EQ(error.code, ErrorCode::kInvalidWasm);
  EXPECT_THAT(error.message, HasSubstr("secbeat.version holds \"newest\""));
}

TEST(CompileJob, NamesTheMissingExport) {
  const auto inspect = error_of(module_of(kMemory));
  EXPECT_EQ(inspect.code, ErrorCode::kMissingExport);
  EXPECT_EQ(inspect.message, "Invalid WASM module: missing inspect_request export");
  const auto memory = error_of(module_of("(memory 1)" + std::string(kInspect)));
  EXPECT_EQ(memory.code, ErrorCode::kMissingExport);
  EXPECT_EQ(memory.message, "Invalid WASM module: missing memory export");
  // An export of another kind under that name is not the export.
  EXPECT_EQ(
      error_of(module_of(std::string(kMemory) + R"((global (export "inspect_request") i32 (i32.const 0)))")).message,
      inspect.message);
  EXPECT_EQ(error_of(module_of(R"((func (export "memory")))" + std::string(kInspect))).message, memory.message);
}

TEST(CompileJob, NamesBothTypesWhereOneIsWrong) {
  const auto error = error_of(
      module_of(std::string(kMemory) + R"((func (export "inspect_request") (param i64) (result i32) (i32.const 0)))"));
  EXPECT_EQ(error.code, ErrorCode::kMissingExport);
  EXPECT_EQ(error.message, "Invalid WASM module: inspect_request has type (i64) -> i32, expected (i32, i32) -> i32");
}

TEST(CompileJob, ChecksTheTypesOfAllOptionalExports) {
  for (const auto& [name, expected] : {std::pair{"configure", "(i32, i32) -> i32"},
                                       {"configure_error", "() -> i32"},
                                       {"alloc", "(i32) -> i32"},
                                       {"dealloc", "(i32, i32) -> ()"},
                                       {"secbeat_abi", "() -> i32"},
                                       {"secbeat_needs", "() -> i32"},
                                       {"verdict_detail", "() -> i32"},
                                       {"inventory", "() -> i32"}}) {
    const auto error = error_of(module_of(std::string(kMemory) + std::string(kInspect) + "(func (export \"" + name +
                                          "\") (param v128 funcref) (result f32 f64) unreachable)"));
    EXPECT_EQ(error.code, ErrorCode::kMissingExport);
    EXPECT_EQ(error.message, "Invalid WASM module: " + std::string(name) +
                                 " has type (v128, reference) -> (f32, f64), expected " + expected);
  }
}

TEST(CompileJob, NamesTheFirstImport) {
  const auto error = error_of(module_of(R"((import "env" "abort" (func)) (import "env" "other" (func)))" +
                                        std::string(kMemory) + std::string(kInspect)));
  EXPECT_EQ(error.code, ErrorCode::kForbiddenImport);
  EXPECT_THAT(error.message, AllOf(HasSubstr("env.abort"), Not(HasSubstr("other"))));
}

TEST(CompileJob, RefusesAModuleOverTheSizeLimit) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", std::string(2000, 'x'));
  job.max_module_bytes = 1999;
  const auto report = run_compile_job(job);
  ASSERT_TRUE(report && report->error);
  EXPECT_EQ(report->error->code, ErrorCode::kTooLarge);
  EXPECT_EQ(report->error->message, "The module has 2000 bytes, the limit is 1999 bytes");
}

TEST(CompileJob, AdvisesToMakeALargeModuleSmaller) {
  const auto report = compile(guest("(i32.const 0)", "(data (i32.const 0) \"" + std::string(60'000, 'x') + "\")" +
                                                         R"((func (export "unused")))" + "(@custom \"padding\" \"" +
                                                         std::string(600'000, 'x') + "\")"));
  ASSERT_FALSE(report.error) << report.error->message;
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("wasm-opt -Oz --strip-debug")));
}

TEST(CompileJob, RefusesAMemoryOverTheLimit) {
  Limits limits;
  limits.memory_bytes = std::size_t{1} << 20U;
  EXPECT_EQ(error_of(module_of(R"((memory (export "memory") 17))" + std::string(kInspect)), "", limits).code,
            ErrorCode::kMemoryLimit);
}

TEST(CompileJob, ChecksFormatExportsImportsAndMemoryEvenWithoutARehearsal) {
  EXPECT_EQ(compile(module_of(kMemory), "", {}, Rehearsal::kSkip).error.value().code, ErrorCode::kMissingExport);
  EXPECT_EQ(compile(module_of(R"((memory (export "memory") 257))" + std::string(kInspect)), "", {}, Rehearsal::kSkip)
                .error.value()
                .code,
            ErrorCode::kMemoryLimit);
  const auto skipped = compile(guest("unreachable"), "", {}, Rehearsal::kSkip);
  EXPECT_FALSE(skipped.error);
  EXPECT_EQ(skipped.rehearse_ms, 0);
}

TEST(Rehearsal, NamesTheSampleAndTheVerdict) {
  const auto error = error_of(guest("(i32.const 7)"));
  EXPECT_EQ(error.code, ErrorCode::kInvalidAction);
  EXPECT_EQ(error.message,
            "Invalid action: inspect_request returned 7 for the sample request get-root, expected 0 to 3");
}

TEST(Rehearsal, NamesTheSampleThatTraps) {
  // Only inputs as long as the long URI's trap.
  const auto error =
      error_of(guest("(if (i32.gt_u (local.get $len) (i32.const 7000)) (then unreachable)) (i32.const 0)"));
  EXPECT_EQ(error.code, ErrorCode::kSampleTrapped);
  EXPECT_THAT(error.message, AllOf(HasSubstr("long-uri"), HasSubstr("unreachable")));
}

TEST(Rehearsal, NamesTheSampleThatTakesTooLongWithLimitAndMeasuredTime) {
  const auto error = error_of(guest("(loop $l (br $l)) (i32.const 0)"));
  EXPECT_EQ(error.code, ErrorCode::kSampleTimeout);
  EXPECT_THAT(error.message, ::testing::MatchesRegex("The sample request get-root was stopped after [0-9.]+ ms of CPU "
                                                     "time, the limit is 5 ms"));
}

TEST(Rehearsal, NamesTheSampleThatNeedsTooMuchMemory) {
  Limits limits;
  limits.memory_bytes = std::size_t{4} << 16U;
  const auto error = error_of(
      guest("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable"), "", limits);
  EXPECT_EQ(error.code, ErrorCode::kMemoryLimit);
  EXPECT_THAT(error.message, AllOf(HasSubstr("get-root"), HasSubstr("262144 bytes")));
}

TEST(Rehearsal, PassesOnWhatConfigureRefuses) {
  const auto error = error_of(guest("(i32.const 0)", R"((func (export "configure") (param i32 i32) (result i32)
    (i32.const 3)))"),
                              "{}");
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(error.message, HasSubstr("configure returned 3"));
}

TEST(Rehearsal, StopsAConfigureThatNeverEnds) {
  Limits limits;
  limits.configure_budget = std::chrono::milliseconds(20);
  const auto error =
      error_of(guest("(i32.const 0)",
                     R"((func (export "configure") (param i32 i32) (result i32) (loop $l (br $l)) (i32.const 0)))"),
               "", limits);
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(error.message, HasSubstr("20 ms"));
}

TEST(Rehearsal, RefusesAModuleWhoseVerdictDetailTraps) {
  const auto error = error_of(guest("(i32.const 1)", R"((func (export "verdict_detail") (result i32) unreachable))"));
  EXPECT_EQ(error.code, ErrorCode::kSampleTrapped);
  EXPECT_THAT(error.message, HasSubstr("verdict_detail"));
}

TEST(Rehearsal, GivesNoBodyToAModuleThatNeedsNone) {
  // Traps where a frame has a body, or has none and does not say so while the true length is not 0.
  const auto report = compile(guest(R"(
      (if (i32.load offset=76 (local.get $ptr)) (then unreachable))
      (if (i64.ne (i64.load offset=24 (local.get $ptr)) (i64.const 0))
        (then (if (i32.eqz (i32.and (i32.load offset=12 (local.get $ptr)) (i32.const 2))) (then unreachable))))
      (i32.const 0))",
                                    R"((func (export "secbeat_abi") (result i32) (i32.const 2))
                                       (func (export "secbeat_needs") (result i32) (i32.const 0)))"));
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(report.abi, 2);
  EXPECT_FALSE(report.needs_body);
}

TEST(Rehearsal, TakesTheInventory) {
  const auto with_inventory = [](std::string_view text) {
    return guest("(i32.const 0)", R"((data (i32.const 64) "\c8\00\00\00\0e\00\00\00") (data (i32.const 200) ")" +
                                      std::string(text) + R"(")
      (func (export "inventory") (result i32) (i32.const 64)))");
  };
  EXPECT_EQ(compile(with_inventory(R"([{\"id\":\"r\"}]  )")).inventory, (Inventory{{"r", "", {}}}));
  EXPECT_EQ(compile(guest("(i32.const 0)")).inventory, std::nullopt);
  const auto broken = compile(with_inventory("[1,2,3,4,5,6,7"));
  EXPECT_FALSE(broken.error);
  EXPECT_EQ(broken.inventory, std::nullopt);
  EXPECT_THAT(broken.warnings, ElementsAre(HasSubstr("inventory cannot be used: it is no JSON array")));
}

TEST(Rehearsal, TakesNoInventoryFromOutsideOfTheMemoryNorAHugeOne) {
  const auto inventory_at = [](std::string_view span, std::string_view address) {
    return compile(guest("(i32.const 0)", "(data (i32.const 64) \"" + std::string(span) +
                                              "\") (func (export \"inventory\")"
                                              " (result i32) (i32.const " +
                                              std::string(address) + "))"),
                   "", {}, Rehearsal::kRun);
  };
  const auto warns_of = [](const CompileReport& report, const std::string& what) {
    EXPECT_FALSE(report.error);
    EXPECT_EQ(report.inventory, std::nullopt);
    EXPECT_THAT(report.warnings, ElementsAre(HasSubstr(what)));
  };
  warns_of(inventory_at("\\c8\\00\\00\\00\\ff\\ff\\ff\\ff", "64"), "outside of the module's memory");
  warns_of(inventory_at("", "131069"), "outside of the module's memory");
  warns_of(inventory_at("", "-4"), "outside of the module's memory");
  warns_of(compile(guest("(i32.const 0)",
                         R"((data (i32.const 64) "\00\00\00\00\01\00\10\00") (func (export "inventory") (result i32)
                            (drop (memory.grow (i32.const 32))) (i32.const 64)))")),
           "it has 1048577 bytes, the limit is 1048576");
}

TEST(Rehearsal, RefusesAModuleWhoseInventoryTraps) {
  const auto error = error_of(guest("(i32.const 0)", R"((func (export "inventory") (result i32) unreachable))"));
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(error.message, HasSubstr("inventory"));
}

TEST(CompileJob, RehearsesAnArtifactMadeEarlier) {
  const TemporaryFolder folder;
  const std::string artifact = testing::artifact_of(guest("(i32.const 0)", R"((func (export "configure") (param i32 i32)
    (result i32) (local.get 1)))"));
  CompileJob job;
  job.artifact = folder.with("artifact", artifact);
  job.artifact_sha256 = sha256_hex(artifact);
  const auto good = run_compile_job(job);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_FALSE(good->error);
  EXPECT_EQ(good->artifact_sha256, job.artifact_sha256);
  EXPECT_TRUE(good->exports_configure);
  EXPECT_EQ(good->compile_ms, 0);

  job.config = folder.with("config", "123");
  EXPECT_EQ(run_compile_job(job).value().error.value().code, ErrorCode::kConfigureFailed);
  job.artifact_sha256 = sha256_hex("another");
  EXPECT_EQ(run_compile_job(job).value().error.value().code, ErrorCode::kArtifactRejected);
}

TEST(CompileJob, ThatCannotBeDoneIsNotTheModulesError) {
  const TemporaryFolder folder;
  CompileJob job;
  EXPECT_EQ(run_compile_job(job).error().code, ErrorCode::kInternal);
  job.module = folder.file("absent");
  EXPECT_EQ(run_compile_job(job).error().code, ErrorCode::kIo);
  job.module = folder.with("module.wasm", guest("(i32.const 0)"));
  job.config = folder.file("absent");
  EXPECT_EQ(run_compile_job(job).error().code, ErrorCode::kIo);
  job.config.clear();
  job.output = folder.file("absent") / "artifact";
  EXPECT_EQ(run_compile_job(job).error().code, ErrorCode::kIo);
}

TEST(SampleNames, BeginWithTheSimplestRequest) {
  EXPECT_THAT(sample_names(), ElementsAre("get-root", "get-browser", "post-json", "long-uri", "many-headers",
                                          "large-body", "odd-bytes"));
}

TEST(CompileReport, SurvivesItsJourneyAsJson) {
  CompileReport report;
  report.error = Error{ErrorCode::kSampleTimeout, "a \"sentence\" with \xff"};
  report.artifact_sha256 = std::string(64, 'a');
  report.artifact_bytes = 5'000'000'000;
  report.inventory = Inventory{{"x", "01", {"sqli", "xss"}}, {"y", "", {}}};
  report.cost = Cost{123'456'789'012, "long-uri", true};
  report.counting_sha256 = std::string(64, '0');
  report.abi = 2;
  report.exports_configure = true;
  report.needs_body = false;
  report.validate_ms = 1.5;
  report.compile_ms = 2.5;
  report.rehearse_ms = 3.5;
  report.warnings = {"one", "two"};
  const auto back = compile_report_from_json(to_json(report));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->error->code, ErrorCode::kSampleTimeout);
  EXPECT_EQ(back->error->message, "a \"sentence\" with \xEF\xBF\xBD");
  EXPECT_EQ(back->artifact_sha256, report.artifact_sha256);
  EXPECT_EQ(back->artifact_bytes, report.artifact_bytes);
  EXPECT_EQ(back->inventory, report.inventory);
  EXPECT_EQ(back->cost, report.cost);
  EXPECT_EQ(back->counting_sha256, report.counting_sha256);
  EXPECT_EQ(back->abi, 2);
  EXPECT_TRUE(back->exports_configure);
  EXPECT_FALSE(back->needs_body);
  EXPECT_EQ(back->validate_ms, 1.5);
  EXPECT_EQ(back->compile_ms, 2.5);
  EXPECT_EQ(back->rehearse_ms, 3.5);
  EXPECT_EQ(back->warnings, report.warnings);
  const auto empty = compile_report_from_json(to_json(CompileReport{}));
  EXPECT_FALSE(empty->error);
  EXPECT_FALSE(empty->cost);
  EXPECT_FALSE(empty->inventory);
}

}  // namespace
}  // namespace secbeat::engine
