#include "secbeat/base/toml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::toml_file {
namespace {

using ::testing::HasSubstr;

TEST(Toml, HasValuesOfEveryKindWithTheirLines) {
  const auto table = parse("a = 1\nb = \"x\"\n\n[c]\nd = [true, 1.5]\ne = 2025-11-24\n");
  ASSERT_TRUE(table) << table.error().what;
  ASSERT_EQ(table->size(), 3U);
  EXPECT_EQ(std::get<std::int64_t>((*table)[0].node.value), 1);
  EXPECT_EQ(std::get<std::string>((*table)[1].node.value), "x");
  EXPECT_EQ((*table)[1].line, 2);
  const auto& inner = std::get<Table>((*table)[2].node.value);
  EXPECT_EQ(inner[0].line, 5);
  const auto& list = std::get<Array>(inner[0].node.value);
  EXPECT_TRUE(std::get<bool>(list[0].value));
  EXPECT_EQ(std::get<double>(list[1].value), 1.5);
  EXPECT_EQ(kind_of(inner[1].node), "a date or time");
}

TEST(Toml, SaysTheLineOfAFault) {
  const auto fault = parse("a = 1\nb = \n");
  ASSERT_FALSE(fault);
  EXPECT_EQ(fault.error().line, 2);
  EXPECT_FALSE(parse("a = 1\na = 2\n"));
}

TEST(Toml, TakesCharactersBeyondAsciiInCommentsAndInTextsThatStandAlone) {
  const auto table =
      parse("\xef\xbb\xbf# caf\xc3\xa9\n[caf]\nname = \"caf\xc3\xa9\" # th\xc3\xa9\nother.name='th\xc3\xa9'\n");
  ASSERT_TRUE(table) << table.error().what;
  const auto& names = std::get<Table>(table->at(0).node.value);
  EXPECT_EQ(std::get<std::string>(names.at(0).node.value), "caf\xc3\xa9");
  for (const char* text :
       {"a = [\"\xc3\xa9\"]\n", "a = [\nb=\"\xc3\xa9\"\n", "a = {b = \"\xc3\xa9\"}\n", "\"\xc3\xa9\" = 1\n",
        "a = 1^='\xef\xbb\x9f'\n", "a = 1^{='\xef\xbb\x9f'\n", "a = 'x' = '\xef\xbb\x9f"}) {
    const auto refused = parse(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(refused.error().what, HasSubstr("does not stand alone after its key")) << text;
  }
}

TEST(Toml, RefusesWhatItsParserDoesNotBear) {
  std::string dotted = "a";
  for (int i = 0; i < 20000; ++i) dotted += ".a";
  EXPECT_THAT(parse(dotted + " = 1\n").error().what, HasSubstr("dots"));
  EXPECT_FALSE(parse("a = " + std::string(20000, '[') + "\n"));
  EXPECT_FALSE(parse("[\n"));
  EXPECT_THAT(parse("\xc3\xa4 = 1\n").error().what, HasSubstr("beyond ASCII"));
  EXPECT_THAT(parse("a = \"\"\"x\ny\"\"\"\n").error().what, HasSubstr("several lines"));
  EXPECT_FALSE(parse(std::string("a = \"\0\"\n", 9)));
  EXPECT_TRUE(parse(""));
  EXPECT_TRUE(parse("a = \"\xc3\xa4\"  # \xc3\xa4\n"));
}

}  // namespace
}  // namespace secbeat::toml_file
