#include "terminal/terminal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::cli {
namespace {

using namespace std::string_literals;

TEST(Clean, LeavesTextAlone) {
  for (const auto& text : {"a b"s, "grün"s, "→ 中文 🙂"s, ""s}) EXPECT_EQ(clean(text), text);
}

TEST(Clean, TakesOutWhatSteersATerminal) {
  EXPECT_EQ(clean("\x1b[2Ja\nb\x7f"), "?[2Ja?b?");
  EXPECT_EQ(clean("\xc2\x9b"
                  "2J"),
            "?2J");  // U+009B is "ESC ["
  EXPECT_EQ(clean("a\xe2\x80\xae"
                  "b\xe2\x81\xa6"),
            "a?b?");  // U+202E, U+2066
  EXPECT_EQ(clean("a\0b"s), "a?b");
}

TEST(Clean, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(clean("\xff"), "?");
  EXPECT_EQ(clean("a\xc3"), "a?");  // cut off
  EXPECT_EQ(clean("\xc3("
                  "\x9b"),
            "?(?");                    // a stray byte that an 8-bit terminal obeys
  EXPECT_EQ(clean("\xc0\x9b"), "??");  // overlong
}

TEST(CleanLines, KeepsLinesAndNothingElseThatSteers) {
  EXPECT_EQ(clean_lines("a\x1b[2J\nb\r\n"), "a?[2J\nb?\n");
  EXPECT_EQ(clean_lines(""), "");
}

TEST(JsonText, SteersNoTerminalAndSaysTheSame) {
  for (const auto& text : {"\x1b[2J\n"s, "\xc2\x9b"s, "\xe2\x80\xae grün"s, "\xf3\xa0\x81\x81"s, "a\0b\x7f"s}) {
    const std::string written = json_text(Json{{"a", text}});
    EXPECT_EQ(clean_lines(written), written);
    EXPECT_EQ(Json::parse(written).at("a"), text);
  }
}

TEST(Shortened, CountsCharactersAndMarksTheCut) {
  EXPECT_EQ(shortened("äöü", 3), "äöü");
  EXPECT_EQ(shortened("äöüß", 3), "äö…");
  EXPECT_EQ(shortened("", 3), "");
}

TEST(Table, AlignsByTheWidestCell) {
  EXPECT_EQ(table({"A", "BB"}, {{"→→→", "x"}, {"y", "z"}}), "A    BB\n→→→  x\ny    z\n");
}

TEST(Table, BearsRowsThatAreTooShort) { EXPECT_EQ(table({"A", "B"}, {{"x"}}), "A  B\nx  \n"); }

TEST(Grouped, SetsThousandsApart) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

}  // namespace
}  // namespace secbeat::cli
