#include "secbeat/http/text.hpp"

#include <gtest/gtest.h>

namespace secbeat::http {
namespace {

using namespace std::chrono_literals;

TEST(PlainText, IsUtf8WithoutControlCharacters) {
  for (const std::string_view text : {"", "plain", "größe", "€", "\xF0\x9F\x8C\x8D", "\xEF\xBF\xBD"}) {
    EXPECT_EQ(plain_text_length(text), text.size()) << text;
  }
  const std::pair<std::string_view, std::size_t> broken[] = {{"a\xFF", 1},
                                                             {"ab\n", 2},
                                                             {"\x7F", 0},
                                                             {"a\xC3", 1},
                                                             {"\xC0\xAF", 0},
                                                             {"\xE0\x9F\xBF", 0},
                                                             {"\xED\xA0\x80", 0},
                                                             {"\xF4\x90\x80\x80", 0},
                                                             {"\xC2\x9B", 0},
                                                             {"a\x80", 1},
                                                             {"\xF0\x8F\xBF\xBF", 0},
                                                             {"\xE2\x82", 0},
                                                             {"\xE2\x28\xA1", 0},
                                                             {"\xF5\x80\x80\x80", 0}};
  for (const auto& [text, length] : broken) EXPECT_EQ(plain_text_length(text), length) << shown(text);
}

TEST(Shown, EscapesWhatCouldMislead) {
  EXPECT_EQ(shown("größe"), "größe");
  EXPECT_EQ(shown("a\"b\\c"), "a\\\"b\\\\c");
  EXPECT_EQ(shown("\x1b[31m\r\n"), "\\x1b[31m\\x0d\\x0a");
  EXPECT_EQ(shown("\xFF\xC2\x9B"), "\\xff\\xc2\\x9b");
  EXPECT_EQ(shown("abcdef", 3), "abc...");
}

TEST(WholeNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(whole_number<std::uint32_t>("42"), 42U);
  EXPECT_EQ(whole_number<std::int64_t>("-1"), -1);
  for (const char* text : {"", " 1", "1 ", "+1", "1.0", "0x1", "-1", "4294967296", "1e3"}) {
    EXPECT_EQ(whole_number<std::uint32_t>(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, ReadsMoments) {
  const SystemTime moment{std::chrono::seconds(1763946003)};  // date -u -d 2025-11-24T01:00:03Z +%s
  EXPECT_EQ(parse_rfc3339("2025-11-24T01:00:03Z"), moment);
  EXPECT_EQ(parse_rfc3339("2025-11-24t01:00:03z"), moment);
  EXPECT_EQ(parse_rfc3339("2025-11-24T03:00:03+02:00"), moment);
  EXPECT_EQ(parse_rfc3339("2025-11-23T23:30:03-01:30"), moment);
  EXPECT_EQ(parse_rfc3339("2025-11-24T01:00:03.25Z"), moment + 250ms);
  EXPECT_EQ(parse_rfc3339("2025-11-24T01:00:03.123456789Z"), moment + 123ms);
}

TEST(Rfc3339, RefusesWhatIsNone) {
  for (const char* text :
       {"", "now", "2025-11-24", "2025-11-24 01:00:03Z", "2025-11-24T01:00:03", "2025-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z", "2025-11-24T24:00:00Z", "2025-11-24T01:60:00Z", "2025-11-24T01:00:03.Z",
        "2025-11-24T01:00:03Zx", "2025-11-24T01:00:03+0200", "2025-11-24T01:00:03+24:00", "+025-11-24T01:00:03Z",
        "1969-12-31T23:59:59Z", "2025-11-2 T01:00:03Z", "2025-11-24T01:00"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace secbeat::http
