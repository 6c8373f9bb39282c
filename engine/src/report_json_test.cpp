// The compile child's report as its reader sees it: a module may have taken over the child that ran it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {
namespace {

using ::testing::HasSubstr;

// A good report with one piece of it replaced.
std::string report_with(std::string_view piece, std::string_view by) {
  CompileReport report;
  report.artifact_sha256 = std::string(64, 'a');
  report.cost = Cost{7, "get-root", false};
  report.warnings = {"one"};
  report.error = Error{ErrorCode::kSampleTrapped, "it traps"};
  std::string json = to_json(report);
  const std::size_t place = json.find(piece);
  EXPECT_NE(place, std::string::npos) << piece;
  return json.replace(place, piece.size(), by);
}

TEST(HostileReport, ThatDoesNotParseIsAProtocolError) {
  for (const std::string_view broken : {"", "{", "[]", "{}", "null", R"({"error":{"code":7}})", "\"\xff"}) {
    const auto report = compile_report_from_json(broken);
    ASSERT_FALSE(report) << broken;
    EXPECT_EQ(report.error().code, ErrorCode::kProtocol);
  }
}

TEST(HostileReport, IsTakenOnlyWithValuesThatAChildCanMean) {
  ASSERT_TRUE(compile_report_from_json(report_with("one", "two")));
  const std::string hash(64, 'a');
  const std::pair<std::string, std::string> table[] = {
      {hash, "../../etc/passwd"},
      {hash, std::string(63, 'a')},
      {hash, std::string(64, 'A')},
      {R"("abi":1)", R"("abi":3)"},
      {R"("artifact_bytes":0)", R"("artifact_bytes":-1)"},
      {R"("artifact_bytes":0)", R"("artifact_bytes":1e300)"},
      {R"("fuel":7)", R"("fuel":7.5)"},
      {R"("validate_ms":0.0)", R"("validate_ms":-1)"},
      {R"("validate_ms":0.0)", R"("validate_ms":1e999)"},
      {R"("needs_body":true)", R"("needs_body":1)"},
      {R"("one")", "7"},
      {R"("one")", '"' + std::string(kMaxReportTextBytes + 1, 'x') + '"'},
      {R"(["one"])", R"("one")"},
      {"it traps", std::string(kMaxReportTextBytes + 1, 'x')},
  };
  for (const auto& [piece, by] : table) {
    const auto report = compile_report_from_json(report_with(piece, by));
    ASSERT_FALSE(report) << piece << " " << by.substr(0, 80);
    EXPECT_EQ(report.error().code, ErrorCode::kProtocol);
    EXPECT_LT(report.error().message.size(), 512U);
  }
}

TEST(HostileReport, ThatNestsDeepIsRefusedBeforeItIsMade) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  const auto report = compile_report_from_json(R"({"inventory":)" + deep + "}");
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("nests deeper"));
}

TEST(HostileReport, WhoseInventoryIsNoneIsAProtocolError) {
  CompileReport report;
  report.inventory = Inventory{{"same", "", {}}, {"same", "", {}}};
  EXPECT_EQ(compile_report_from_json(to_json(report)).error().code, ErrorCode::kProtocol);
  report.inventory = Inventory{{"with\nline", "", {}}};
  EXPECT_EQ(compile_report_from_json(to_json(report)).error().code, ErrorCode::kProtocol);
}

// What the child means to say is always a report that is taken.
TEST(CompileReport, IsCutToWhatItsReaderTakes) {
  CompileReport report;
  report.error = Error{ErrorCode::kInvalidWasm, std::string(100'000, 'e')};
  report.warnings.assign(kMaxReportWarnings + 7, std::string(100'000, 'w'));
  const auto back = compile_report_from_json(to_json(report));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->error->message, std::string(kMaxReportTextBytes, 'e'));
  EXPECT_EQ(back->warnings.size(), kMaxReportWarnings);
}

}  // namespace
}  // namespace secbeat::engine
