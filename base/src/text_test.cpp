#include "secbeat/base/text.hpp"

#include <gtest/gtest.h>

namespace secbeat {
namespace {

TEST(Printable, ShowsWhatATerminalCouldMistake) {
  EXPECT_EQ(printable("a b"), "a b");
  EXPECT_EQ(printable("\x1b[2J\n"), "\\x1b[2J\\x0a");
  EXPECT_EQ(printable("\xc3\xa4"), "\\xc3\\xa4");
}

TEST(Printable, IsBounded) { EXPECT_LT(printable(std::string(10000, 'x')).size(), 100U); }

TEST(FirstCharacter, IsUtf8OrOneByte) {
  const std::pair<std::string_view, std::size_t> whole[] = {{"a", 1},
                                                            {std::string_view("\0", 1), 1},
                                                            {"\xc2\x9b", 2},
                                                            {"\xe2\x82\xac", 3},
                                                            {"\xf0\x9f\x8c\x8d", 4},
                                                            {"\xf4\x8f\xbf\xbf", 4}};
  for (const auto& [text, bytes] : whole) {
    EXPECT_TRUE(first_character(text).valid) << printable(text);
    EXPECT_EQ(first_character(text).bytes, bytes) << printable(text);
  }
  EXPECT_EQ(first_character("\xe2\x82\xac").code, U'\u20ac');
  for (const std::string_view text :
       {"\x80", "\xff", "\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xe2\x82", "\xe2(\xa1", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(first_character(text).valid) << printable(text);
    EXPECT_EQ(first_character(text).bytes, 1U) << printable(text);
  }
}

TEST(Harmless, IsOneLineThatSteersNothing) {
  EXPECT_EQ(harmless("größe → 中文 \"x\" \\"), "größe → 中文 \"x\" \\");
  EXPECT_EQ(harmless("a\n2026-11-27T00:00:00Z info faked\r"), "a\\x0a2026-11-27T00:00:00Z info faked\\x0d");
  EXPECT_EQ(harmless("\x1b[2J\x1b]0;x\x07\t\x7f"), "\\x1b[2J\\x1b]0;x\\x07\\x09\\x7f");
  EXPECT_EQ(harmless("\xc2\x9b"), "\\xc2\\x9b");           // U+009B, "ESC [" of 8-bit terminals
  EXPECT_EQ(harmless("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // U+202E, turns the direction
  EXPECT_EQ(harmless("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // U+2028, a line break
  EXPECT_EQ(harmless("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(harmless(std::string_view("\0", 1)), "\\x00");
}

TEST(Harmless, HoldsForEveryPairOfBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second), 'x'};
      std::string_view rest = text;
      const std::string shown = harmless(text);
      for (rest = shown; !rest.empty(); rest.remove_prefix(first_character(rest).bytes)) {
        ASSERT_TRUE(first_character(rest).valid && !steers(first_character(rest).code)) << printable(text);
      }
    }
  }
}

TEST(EqualInConstantTime, ComparesWholeTexts) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

}  // namespace
}  // namespace secbeat
