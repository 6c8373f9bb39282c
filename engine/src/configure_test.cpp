// Configuration, and what a module says about its verdicts and rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "secbeat/engine/engine.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::browser_get;
using ::testing::EndsWith;
using testing::guest;
using ::testing::HasSubstr;
using testing::Host;
using ::testing::StartsWith;
using testing::wasm;

std::string with_configure(std::string_view body, std::string_view more = "") {
  return guest("(i32.load8_u (i32.const 100))",
               "(func (export \"configure\") (param $ptr i32) (param $len i32) (result i32) " + std::string(body) +
                   ")" + std::string(more));
}

Error configure_error(std::string_view module, std::string_view config = "", const Limits& limits = {}) {
  Host host;
  const auto made = host.create(module, limits, config);
  EXPECT_FALSE(made);
  return made ? Error{} : made.error();
}

TEST(Configure, GetsTheBytesBeforeTheFirstRequest) {
  Host host;
  // Keeps the first byte minus '0' as the verdict.
  const auto keeps = with_configure(
      "(i32.store8 (i32.const 100) (i32.sub (i32.load8_u (local.get $ptr)) "
      "(i32.const 48))) (i32.ne (local.get $len) (i32.const 5))");
  EXPECT_EQ(host.instance(keeps, {}, "1rule")->inspect(browser_get()), Verdict::kBlock);
  EXPECT_EQ(host.instance(keeps, {}, "2rule")->inspect(browser_get()), Verdict::kLog);
}

TEST(Configure, IsCalledWithoutBytesWhereThereAreNone) {
  Host host;
  EXPECT_TRUE(host.create(with_configure("(local.get $len)")));
}

TEST(Configure, PassesOnTheReasonOfTheModule) {
  const auto error = configure_error(with_configure("(i32.const 4)", R"(
    (data (i32.const 64) "\c8\00\00\00\0b\00\00\00") (data (i32.const 200) "rule 7: bad")
    (func (export "configure_error") (result i32) (i32.const 64)))"));
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(error.message, "The module refuses its configuration: rule 7: bad");
}

TEST(Configure, NamesTheNumberWhereTheModuleGivesNoReason) {
  EXPECT_THAT(configure_error(with_configure("(i32.const 4)")).message,
              EndsWith("configure returned 4 and gave no reason"));
  // A reason outside of the memory, and a place of a reason outside of the memory, are no reasons.
  for (const std::string_view where : {"65532", "-8", "64"}) {
    const auto error = configure_error(
        with_configure("(i32.const 4)",
                       R"((data (i32.const 64) "\c8\00\00\00\ff\ff\ff\ff") (func (export "configure_error") (result i32)
        (i32.const )" + std::string(where) +
                           "))"));
    EXPECT_THAT(error.message, EndsWith("configure returned 4 and gave no reason")) << where;
  }
}

TEST(Configure, RepairsAndBoundsTheReason) {
  const auto error = configure_error(with_configure(
      "(memory.fill (i32.const 1000) (i32.const 0xff) (i32.const 5000)) (i32.const 1)",
      R"((data (i32.const 64) "\e8\03\00\00\88\13\00\00") (func (export "configure_error") (result i32) (i32.const 64)))"));
  EXPECT_THAT(error.message, EndsWith("\xEF\xBF\xBD"));
  EXPECT_LT(error.message.size(), 1100U);
}

TEST(Configure, ThatTrapsIsRefused) {
  const auto error = configure_error(with_configure("unreachable"));
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(error.message, StartsWith("configure failed: wasm trap"));
}

TEST(Configure, ThatNeverEndsIsStoppedByItsOwnBudget) {
  Limits limits;
  limits.configure_budget = std::chrono::milliseconds(20);
  const auto error = configure_error(with_configure("(loop $l (br $l)) (i32.const 0)"), "", limits);
  EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(error.message, "configure used more than 20 ms of CPU time");
}

TEST(Configure, ThatNeedsTooMuchMemoryMeetsTheMemoryLimit) {
  Limits limits;
  limits.memory_bytes = std::size_t{4} << 16U;
  const auto hog =
      with_configure("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable");
  EXPECT_EQ(configure_error(hog, "", limits).code, ErrorCode::kMemoryLimit);
  EXPECT_EQ(configure_error(with_configure("(i32.const 0)"), std::string(300'000, ' '), limits).code,
            ErrorCode::kMemoryLimit);
}

TEST(Start, ThatTrapsOrNeverEndsIsRefused) {
  Limits limits;
  limits.configure_budget = std::chrono::milliseconds(20);
  for (const auto& [body, reason] :
       {std::pair{"unreachable", "unreachable"}, {"(loop $l (br $l))", "20 ms of CPU time"}}) {
    const auto error =
        configure_error(guest("(i32.const 0)", "(func $s " + std::string(body) + ") (start $s)"), "", limits);
    EXPECT_EQ(error.code, ErrorCode::kConfigureFailed);
    EXPECT_THAT(error.message, HasSubstr(reason));
  }
}

TEST(Start, WithAHugeTableMeetsTheLimit) {
  EXPECT_EQ(configure_error(guest("(i32.const 0)", "(table 200000 funcref)")).code, ErrorCode::kMemoryLimit);
}

// {struct_len, rule, message, score} at 64; "rule-9" at 200, "why" at 300.
std::string with_detail(std::string_view fields, std::string_view address = "64") {
  return guest("(i32.const 1)", "(data (i32.const 64) \"" + std::string(fields) + R"(")
    (data (i32.const 200) "rule-9") (data (i32.const 300) "why")
    (func (export "verdict_detail") (result i32) (i32.const )" +
                                    std::string(address) + "))");
}

VerdictDetail detail_of(std::string_view module) {
  Host host;
  const auto instance = host.instance(module);
  EXPECT_EQ(instance->inspect(browser_get()), Verdict::kBlock);
  VerdictDetail detail = instance->verdict_detail();
  EXPECT_TRUE(instance->usable());
  return detail;
}

constexpr std::string_view kRule = R"(\c8\00\00\00\06\00\00\00)";
constexpr std::string_view kMessage = R"(\2c\01\00\00\03\00\00\00)";
constexpr std::string_view kScore = R"(\fb\ff\ff\ff)";

std::string fields(std::string_view length, std::string_view rule = kRule, std::string_view message = kMessage) {
  return std::string(length) + std::string(rule) + std::string(message) + std::string(kScore);
}

TEST(VerdictDetail, IsReadAndCopied) {
  const auto detail = detail_of(with_detail(fields(R"(\18\00\00\00)")));
  EXPECT_EQ(detail.rule, "rule-9");
  EXPECT_EQ(detail.message, "why");
  EXPECT_EQ(detail.score, -5);
  EXPECT_FALSE(detail.dropped);
}

TEST(VerdictDetail, OfALaterAbiIsReadAsFarAsItIsKnown) {
  EXPECT_EQ(detail_of(with_detail(fields(R"(\ff\ff\00\00)"))).message, "why");
}

TEST(VerdictDetail, MayEndEarly) {
  const auto rule_only = detail_of(with_detail(fields(R"(\0c\00\00\00)")));
  EXPECT_EQ(rule_only.rule, "rule-9");
  EXPECT_EQ(rule_only.message, "");
  EXPECT_EQ(rule_only.score, 0);
  EXPECT_FALSE(rule_only.dropped);
  // Half of a field is none.
  EXPECT_EQ(detail_of(with_detail(fields(R"(\09\00\00\00)"))).rule, "");
  EXPECT_EQ(detail_of(with_detail(fields(R"(\00\00\00\00)"))).rule, "");
}

TEST(VerdictDetail, DropsWhatIsOutsideOfTheMemory) {
  const auto far_rule = detail_of(with_detail(fields(R"(\18\00\00\00)", R"(\ff\ff\ff\ff\06\00\00\00)")));
  EXPECT_TRUE(far_rule.dropped);
  EXPECT_EQ(far_rule.rule, "");
  EXPECT_EQ(far_rule.message, "why");
  EXPECT_TRUE(detail_of(with_detail(fields(R"(\18\00\00\00)", kRule, R"(\2c\01\00\00\ff\ff\ff\ff)"))).dropped);
  for (const std::string_view address : {"-4", "-1", "131070", "131064"}) {
    // The memory has two pages: its own and the one for the input. A struct at 131064 has its length 0 inside.
    EXPECT_EQ(detail_of(with_detail(fields(R"(\18\00\00\00)"), address)).dropped, address != "131064") << address;
  }
}

TEST(VerdictDetail, IsBoundedAndRepaired) {
  const auto detail =
      detail_of(with_detail(fields(R"(\18\00\00\00)", R"(\00\10\00\00\00\10\00\00)", R"(\c8\00\00\00\06\00\00\00)") +
                            R"(") (data (i32.const 4096) ")" + [] {
                              std::string bytes;
                              for (int i = 0; i < 300; ++i) bytes += R"(\ff)";
                              return bytes;
                            }()));
  EXPECT_LE(detail.rule.size(), 256U);
  EXPECT_THAT(detail.rule, StartsWith("\xEF\xBF\xBD\xEF\xBF\xBD"));
}

TEST(VerdictDetail, IsOneLineThatSteersNothing) {
  const auto detail = detail_of(with_detail(fields(R"(\18\00\00\00)", R"(\00\10\00\00\0d\00\00\00)") +
                                            R"(") (data (i32.const 4096) "a\0a\1b\e2\80\a8\e2\80\ae\c3\a9\7fz)"));
  const std::string gone = "\xEF\xBF\xBD";
  EXPECT_EQ(detail.rule, "a" + gone + gone + gone + gone + "é" + gone + "z");
}

TEST(VerdictDetail, IsEmptyWhereTheModuleHasNone) {
  const auto detail = detail_of(guest("(i32.const 1)"));
  EXPECT_EQ(detail.rule, "");
  EXPECT_FALSE(detail.dropped);
}

TEST(VerdictDetail, ThatTrapsEndsTheInstance) {
  Host host;
  const auto instance =
      host.instance(guest("(i32.const 1)", R"((func (export "verdict_detail") (result i32) unreachable))"));
  ASSERT_EQ(instance->inspect(browser_get()), Verdict::kBlock);
  EXPECT_EQ(instance->verdict_detail().rule, "");
  EXPECT_FALSE(instance->usable());
}

}  // namespace
}  // namespace secbeat::engine
