#include "secbeat/engine/module_info.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm_bytes.hpp"

namespace secbeat::engine {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using namespace std::string_literals;

std::string custom(const std::string& name, const std::string& content) { return section(0, text(name) + content); }

std::string message_of(const std::string& bytes) {
  const auto info = read_module_info(bytes);
  EXPECT_FALSE(info);
  if (info) return "";
  EXPECT_EQ(info.error().code, ErrorCode::kInvalidWasm);
  return info.error().message;
}

TEST(ModuleInfo, OfAnEmptyModuleIsEmpty) {
  const auto info = read_module_info(kHeader);
  ASSERT_TRUE(info);
  EXPECT_FALSE(info->embedded_name);
  EXPECT_FALSE(info->embedded_version);
  EXPECT_FALSE(info->exports_configure);
}

TEST(ModuleInfo, HasNameAndVersionAndConfigure) {
  const auto info =
      read_module_info(kHeader + custom("producers", "\xff\xff") + custom("secbeat.name", "universal-waf") +
                       section(7, "\2"s + text("memory") + "\2\0"s + text("configure") + "\0\x81\1"s) +
                       custom("secbeat.version", "v1.4.2"));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->embedded_name, "universal-waf");
  EXPECT_EQ(info->embedded_version, "v1.4.2");
  EXPECT_TRUE(info->exports_configure);
}

TEST(ModuleInfo, TakesOnlyAFunctionForConfigure) {
  const auto info = read_module_info(kHeader + section(7, "\1"s + text("configure") + "\3\0"s));
  ASSERT_TRUE(info);
  EXPECT_FALSE(info->exports_configure);
}

TEST(ModuleInfo, SaysWhereTheStructureIsBroken) {
  EXPECT_THAT(message_of(""), AllOf(StartsWith("Invalid WASM module: "), EndsWith("at offset 0")));
  EXPECT_THAT(message_of("(module)"), EndsWith("at offset 0"));
  EXPECT_THAT(message_of("\0asm\x0d\0\1\0"s), AllOf(HasSubstr("components"), EndsWith("at offset 4")));
  EXPECT_THAT(message_of(kHeader + "\1"), HasSubstr("unexpected end at offset 9"));
  EXPECT_THAT(message_of(kHeader + "\1\5\0"s),
              AllOf(HasSubstr("section of 5 bytes, 1 are left"), EndsWith("at offset 9")));
  EXPECT_THAT(message_of(kHeader + "\1\xff\xff\xff\xff\x1f"s), HasSubstr("more than 32 bits at offset 9"));
  EXPECT_THAT(message_of(kHeader + "\1\xff\xff\xff\xff\xff\xff"s), HasSubstr("more than 32 bits at offset 9"));
  EXPECT_THAT(message_of(kHeader + "\1\x80"s), HasSubstr("unexpected end at offset 10"));
  EXPECT_THAT(message_of(kHeader + section(0, "\x09name")), HasSubstr("unexpected end at offset 15"));
  EXPECT_THAT(message_of(kHeader + section(7, "\2"s + text("memory") + "\2\0"s)),
              HasSubstr("unexpected end at offset 20"));
  EXPECT_THAT(message_of(kHeader + section(7, "\0extra"s)), HasSubstr("export section at offset 11"));
}

TEST(ModuleInfo, AcceptsTheLongestEncodingOfALength) {
  EXPECT_TRUE(read_module_info(kHeader + "\1\x80\x80\x80\x80\0"s));
}

TEST(ModuleInfo, NamesTheLabelThatIsNone) {
  EXPECT_THAT(message_of(kHeader + custom("secbeat.name", "../etc")), HasSubstr("secbeat.name holds \"../etc\""));
  EXPECT_THAT(message_of(kHeader + custom("secbeat.version", "latest\n")), HasSubstr("secbeat.version holds \"latest"));
  EXPECT_THAT(message_of(kHeader + custom("secbeat.version", std::string(100, '\xff'))), HasSubstr("\xEF\xBF\xBD"));
  EXPECT_THAT(message_of(kHeader + custom("secbeat.version", "1.0.0") + custom("secbeat.version", "2.0.0")),
              HasSubstr("second custom section secbeat.version"));
}

TEST(ModuleName, IsShortAndPlain) {
  for (const std::string& name : {"a"s, "universal-waf"s, "A.b_c-9"s, "0"s, std::string(64, 'x')}) {
    EXPECT_TRUE(is_module_name(name)) << name;
  }
  for (const std::string& name :
       {""s, "-a"s, ".a"s, "_a"s, "a/b"s, "a b"s, "a\0"s, "\xc3\xa4"s, std::string(65, 'x')}) {
    EXPECT_FALSE(is_module_name(name)) << name;
  }
}

TEST(SemanticVersion, IsWhatSemVerSaysWithAnOptionalV) {
  for (const std::string& label :
       {"0.0.0"s, "1.4.2"s, "v1.4.2"s, "10.20.30"s, "1.0.0-alpha.1"s, "1.0.0-0"s, "1.0.0-x-y"s, "1.0.0+20130313144700"s,
        "1.0.0-beta+exp.sha.5114f85"s, "1.0.0+001"s, "1.0.0--"s, "1.0.0-0a1"s, "99999999999999999999.0.0"s}) {
    EXPECT_TRUE(is_semantic_version(label)) << label;
  }
  for (const std::string& label : {""s,          "v"s,
                                   "1"s,         "1.2"s,
                                   "1.2.3.4"s,   "01.2.3"s,
                                   "1.02.3"s,    "1.2.03"s,
                                   "1.2.3-"s,    "1.2.3-a..b"s,
                                   "1.2.3-01"s,  "1.2.3+"s,
                                   "1.2.3+a+b"s, "vv1.2.3"s,
                                   "V1.2.3"s,    "1.2.3 "s,
                                   " 1.2.3"s,    "1.2.x"s,
                                   "-1.2.3"s,    "1..3"s,
                                   ".2.3"s,      "1.2.3-" + std::string(64, 'a')}) {
    EXPECT_FALSE(is_semantic_version(label)) << label;
  }
}

}  // namespace
}  // namespace secbeat::engine
