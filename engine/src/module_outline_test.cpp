#include "secbeat/engine/module_outline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "secbeat/base/files.hpp"
#include "wasm_bytes.hpp"

namespace secbeat::engine {
namespace {

using ::testing::HasSubstr;

using namespace std::string_literals;

const std::string kTypes = section(1, "\2\x60\2\x7f\x7f\1\x7f\x60\1\x7e\0"s);  // (i32, i32) -> i32, (i64) -> ()

std::string told(const ModuleOutline& outline) {
  std::string out;
  for (const auto& item : outline.imports)
    out += item.module + "." + item.name + " " + item.kind + " " + item.type + "; ";
  for (const auto& item : outline.exports) out += item.name + " " + item.kind + " " + item.type + "; ";
  return out;
}

TEST(ModuleOutline, OfARealModuleHasTheAbisTypes) {
  const auto bytes = read_file(SECBEAT_GUESTS_DIR "/bad-bot-blocker.wasm", 1U << 22U);
  ASSERT_TRUE(bytes);
  const auto outline = read_module_outline(*bytes);
  ASSERT_TRUE(outline) << outline.error().message;
  EXPECT_THAT(told(*outline), HasSubstr("inspect_request function (i32, i32) -> i32; "));
  EXPECT_THAT(told(*outline), HasSubstr("memory memory "));
  EXPECT_EQ(outline->info.embedded_name, "bad-bot-blocker");
  EXPECT_EQ(outline->import_count, 0U);
  EXPECT_EQ(outline->size_bytes, bytes->size());
  std::size_t sum = 0;
  for (const auto& part : outline->sections) sum += part.size_bytes;
  EXPECT_LT(sum, bytes->size());
  EXPECT_GT(sum, bytes->size() / 2);
}

TEST(ModuleOutline, KnowsTypesAcrossImportsAndDefinitions) {
  const auto outline = read_module_outline(
      kHeader + kTypes +
      section(2, "\4"s + text("env") + text("f") + "\0\1"s + text("env") + text("m") + "\2\1\1\2"s + text("env") +
                     text("t") + "\1\x70\0\5"s + text("env") + text("g") + "\3\x7f\1"s) +
      section(3, "\1\0"s) + section(6, "\2\x7e\0\x42\x80\x01\x0b\x7d\1\x43\0\0\0\0\x0b"s) +
      section(7, "\4"s + text("f") + "\0\1"s + text("m") + "\2\0"s + text("h") + "\3\2"s + text("far") + "\0\x63"s));
  ASSERT_TRUE(outline) << outline.error().message;
  EXPECT_EQ(told(*outline),
            "env.f function (i64) -> (); env.m memory 1 to 2 pages; env.t table 5 funcref; env.g global mutable i32; "
            "f function (i32, i32) -> i32; m memory 1 to 2 pages; h global mutable f32; far function ?; ");
}

TEST(ModuleOutline, GivesTypesThatItDoesNotKnowAsUnknown) {
  const auto outline =
      read_module_outline(kHeader + section(1, "\1\x5f\0"s) + section(3, "\1\0"s) + section(5, "\1\4\1"s) +
                          section(7, "\2"s + text("f") + "\0\0"s + text("m") + "\2\0"s) + section(99, "x"));
  ASSERT_TRUE(outline) << outline.error().message;
  EXPECT_EQ(told(*outline), "f function ?; m memory ?; ");
  EXPECT_EQ(outline->sections.back().name, "?");
}

TEST(ModuleOutline, NamesCustomSections) {
  const auto outline = read_module_outline(kHeader + section(0, text("na\xffme") + "abc") + section(0, ""));
  EXPECT_FALSE(outline) << "a custom section has a name";
  const auto named = read_module_outline(kHeader + section(0, text("na\xffme") + "abc"));
  ASSERT_TRUE(named);
  EXPECT_EQ(named->sections.at(0).name, "custom na\xEF\xBF\xBDme");
  EXPECT_EQ(named->sections.at(0).size_bytes, 9U);
}

TEST(ModuleOutline, SaysWhereItIsBroken) {
  for (const std::string& broken :
       {section(1, "\2\x60\0\0"s), section(1, "\1\x60\5\x7f"s), section(2, "\1"s + text("a") + text("b") + "\0"s),
        section(3, "\2\0"s), section(6, "\1\x7f\0\x41"s), section(1, "\xff\xff\xff\xff\x0f"s), section(5, "\1\1\1"s)}) {
    const auto outline = read_module_outline(kHeader + broken);
    ASSERT_FALSE(outline);
    EXPECT_EQ(outline.error().code, ErrorCode::kInvalidWasm);
    EXPECT_THAT(outline.error().message, HasSubstr("at offset "));
  }
}

TEST(ModuleOutline, IsBoundedWhereThereIsMuchToList) {
  std::string many;
  for (int i = 0; i < 5000; ++i) many += section(0, text("x"));
  const auto outline = read_module_outline(kHeader + many);
  ASSERT_TRUE(outline);
  EXPECT_EQ(outline->sections.size(), ModuleOutline::kMostListed);
  EXPECT_EQ(outline->section_count, 5000U);
}

TEST(SizeAdvice, IsGivenAboveHalfAMegabyte) {
  EXPECT_FALSE(size_advice(500'000));
  EXPECT_THAT(size_advice(612'345).value_or(""), HasSubstr("612 KB"));
  EXPECT_THAT(size_advice(612'345).value_or(""), HasSubstr("wasm-opt -Oz --strip-debug"));
}

}  // namespace
}  // namespace secbeat::engine
