#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "regex.hpp"
#include "testing.hpp"

namespace secbeat::waf {
namespace {

using ::testing::HasSubstr;

struct Compiled {
  const Dfa* dfa = nullptr;
  RegexFault fault;
};

Compiled compiled(std::string_view text) {
  static Arena kept(nullptr, 0, testing::new_block);
  static Arena temporary(nullptr, 0, testing::new_block);
  RegexBudget budget;
  Compiled made;
  made.dfa = compile_regex({text.data(), text.size()}, budget, kept, temporary, made.fault);
  return made;
}

bool matches(std::string_view regex, std::string_view text) {
  const Compiled made = compiled(regex);
  EXPECT_NE(made.dfa, nullptr) << regex << ": " << testing::text_of(made.fault.what);
  return made.dfa != nullptr && made.dfa->matches({text.data(), text.size()});
}

std::string refused(std::string_view regex) {
  const Compiled made = compiled(regex);
  EXPECT_EQ(made.dfa, nullptr) << regex;
  return testing::text_of(made.fault.what);
}

TEST(Regex, MatchesAnywhereUnlessItSaysWhere) {
  EXPECT_TRUE(matches("b+c", "aabbbc"));
  EXPECT_FALSE(matches("^b+c", "abc"));
  EXPECT_TRUE(matches("^b+c$", "bbc"));
  EXPECT_FALSE(matches("^b+c$", "bbcd"));
  EXPECT_TRUE(matches("\\Aab\\z", "ab"));
  EXPECT_TRUE(matches("^$", ""));
  EXPECT_FALSE(matches("^$", "a"));
  EXPECT_TRUE(matches("a|^b|c$", "xc"));
  EXPECT_FALSE(matches("a$|^b", "ab"));
  EXPECT_TRUE(matches("()", ""));
}

TEST(Regex, ReadsClassesAndEscapes) {
  EXPECT_TRUE(matches("[a-c]x[^d]", "cxe"));
  EXPECT_FALSE(matches("[^a-c]x", "bx"));
  EXPECT_TRUE(matches("[A-C]X", "bx")) << "case is ignored";
  EXPECT_FALSE(matches("[^A]", "a"));
  EXPECT_TRUE(matches("\\d\\D\\w\\W\\s\\S", "1a_- x"));
  EXPECT_TRUE(matches("[]a]b", "]b"));
  EXPECT_TRUE(matches("[a\\]-]c", "-c"));
  EXPECT_TRUE(matches("\\x41\\.\\t", "a.\t"));
  EXPECT_TRUE(matches("[[:digit:]x]{2}", "1x"));
  EXPECT_FALSE(matches("a.b", "a\nb"));
  EXPECT_TRUE(matches("(?s)a.b", "a\nb"));
  EXPECT_FALSE(matches("(?:(?s)a)(?:.b)", "a\nb"));
  EXPECT_TRUE(matches("é+x", "ééx"));
  EXPECT_TRUE(matches("a{x", "a{x"));
}

TEST(Regex, CountsRepetitions) {
  EXPECT_TRUE(matches("^a{2,3}$", "aa"));
  EXPECT_TRUE(matches("^a{2,3}$", "aaa"));
  EXPECT_FALSE(matches("^a{2,3}$", "a"));
  EXPECT_FALSE(matches("^a{2,3}$", "aaaa"));
  EXPECT_TRUE(matches("^a{2,}?$", "aaaaa"));
  EXPECT_TRUE(matches("^(ab|c){0,2}d$", "abcd"));
  EXPECT_TRUE(matches("^(a*)*b$", "aaab"));
  EXPECT_TRUE(matches("x{0}y", "y"));
}

TEST(Regex, KnowsWordEdges) {
  EXPECT_TRUE(matches("\\bor\\b", "1 or 2"));
  EXPECT_FALSE(matches("\\bor\\b", "for 2"));
  EXPECT_TRUE(matches("\\bor\\b", "or"));
  EXPECT_TRUE(matches("\\Bor\\B", "fort"));
  EXPECT_FALSE(matches("\\Bor", "or"));
}

TEST(Regex, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refused("(a"), HasSubstr("'(' without"));
  EXPECT_THAT(refused("a)"), HasSubstr("')' without"));
  EXPECT_THAT(refused("[a"), HasSubstr("'[' without"));
  EXPECT_THAT(refused("*a"), HasSubstr("repetition of nothing"));
  EXPECT_THAT(refused("a**"), HasSubstr("repetition of a repetition"));
  EXPECT_THAT(refused("a++"), HasSubstr("repetition of a repetition"));
  EXPECT_THAT(refused("^*"), HasSubstr("repetition of a place"));
  EXPECT_THAT(refused("a{3,2}"), HasSubstr("wrong way round"));
  EXPECT_THAT(refused("a{1001}"), HasSubstr("1,000"));
  EXPECT_THAT(refused("(?=a)"), HasSubstr("expected (?:"));
  EXPECT_THAT(refused("(?-i)a"), HasSubstr("case is always ignored"));
  EXPECT_THAT(refused("(a)\\1"), HasSubstr("escape"));
  EXPECT_THAT(refused("\\pL"), HasSubstr("escape"));
  EXPECT_THAT(refused("[z-a]"), HasSubstr("backwards"));
  EXPECT_THAT(refused("[ä]"), HasSubstr("beyond ASCII"));
  EXPECT_THAT(refused("a\\"), HasSubstr("backslash at the end"));
  EXPECT_THAT(refused(std::string(100, '(') + std::string(100, ')')), HasSubstr("too deeply"));
}

TEST(Regex, RefusesWhatWouldCostTooMuch) {
  EXPECT_THAT(refused("(a|b).{14}c"), HasSubstr("too large"));
  EXPECT_THAT(refused("(((a{100}){100}){100}){100}"), HasSubstr("too large"));
  EXPECT_THAT(refused("([a-z]{1,900}x){1,900}"), HasSubstr("too large"));
}

TEST(Regex, KnowsALiteralOfEachMatch) {
  const auto literals = [](std::string_view regex) {
    const Compiled made = compiled(regex);
    std::string all;
    for (std::uint32_t i = 0; i < made.dfa->literal_count; ++i) all += testing::text_of(made.dfa->literals[i]) + " ";
    return all;
  };
  EXPECT_EQ(literals("Union\\s+select"), "select ");
  EXPECT_EQ(literals("a(bcd|efg)h?"), "bcd efg ");
  EXPECT_EQ(literals("(foo|[ab])"), "");
  EXPECT_EQ(literals("x(?:ab)+y"), "ab ");
  EXPECT_EQ(literals("(abc)?"), "");
  EXPECT_EQ(literals("^/admin/(?:a|b)"), "/admin/ ");
}

}  // namespace
}  // namespace secbeat::waf
