// Documents of rules on the command line: what differs, what is doubtful, what two people changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "rules/rule_cover.hpp"
#include "rules/rule_diff.hpp"
#include "rules/rule_file.hpp"
#include "rules/rule_lint.hpp"
#include "rules/temporary_file.hpp"

namespace secbeat::cli {
namespace {

const SystemTime kNow = *parse_rfc3339("2026-11-27T04:00:00Z");

Json document(const std::string& rules) { return *parse_rules("{\"rules\":[" + rules + "]}"); }

Json rule(const std::string& id, const std::string& condition, const std::string& action = "Block") {
  return Json::parse("{\"id\":\"" + id + "\"," + condition + ",\"action\":\"" + action + "\"}");
}

std::vector<LintNote> doubtful(const std::vector<Json>& rules) { return find_doubtful(Json{{"rules", rules}}, kNow); }

bool says(const std::vector<LintNote>& notes, const std::string& rule, std::string_view part) {
  return std::ranges::any_of(
      notes, [&](const LintNote& note) { return note.rule == rule && note.message.find(part) != std::string::npos; });
}

bool covers(const std::string& wide, const std::string& narrow) {
  return Cover().covers(Conjunction(Json::parse("{" + wide + "}")), Conjunction(Json::parse("{" + narrow + "}")));
}

TEST(RuleFile, RefusesWhatIsNoDocument) {
  for (const std::string text : {"{", "[]", "{}", R"({"rules":{}})", R"({"rules":[1]})", R"({"rules":[{"id":1}]})",
                                 R"({"rules":[{"id":"a"},{"id":"a"}]})", "{\"rules\":1e999}"}) {
    EXPECT_FALSE(parse_rules(text)) << text;
  }
  EXPECT_FALSE(parse_rules("{\"rules\":" + std::string(100'000, '[')));
  EXPECT_FALSE(parse_rules("{\"rules\":[],\"x-a\":" + std::string(100, '[') + std::string(100, ']') + "}"));
  EXPECT_EQ(parse_rules(" \n").value().at("rules").size(), 0U);
}

TEST(RuleDiff, ComparesByIdAndByWhatRulesSay) {
  const Json before = document(R"({"id":"a","x-n":1},{"id":"b","p":1,"q":2},{"id":"c"},{"id":"d"})");
  const Json after =
      document(R"({"id":"d"},{"id":"b","q":2,"p":3,"r":1},{"x-n":1,"id":"a","created_at":"now"},{"id":"e"})");
  const RuleDiff diff = diff_rules(before, after);
  EXPECT_EQ(diff.added, std::vector<std::string>{"e"});
  EXPECT_EQ(diff.removed, std::vector<std::string>{"c"});
  ASSERT_EQ(diff.changed.size(), 1U);
  EXPECT_EQ(diff.changed[0].id, "b");
  EXPECT_EQ(diff.changed[0].keys, (std::vector<std::string>{"p", "r"}));
  EXPECT_TRUE(diff.reordered);
  EXPECT_TRUE(diff_rules(before, before).empty());
}

TEST(RuleMerge, KeepsWhatBothChanged) {
  const Json base = document(R"({"id":"a","v":1},{"id":"b","v":1},{"id":"c","v":1})");
  const Json mine = document(R"({"id":"a","v":2},{"id":"b","v":1},{"id":"new"})");
  const Json theirs = document(R"({"id":"a","v":1},{"id":"b","v":3},{"id":"c","v":1},{"id":"other"})");
  std::vector<std::string> conflicts;
  const auto merged = merge_rules(base, mine, theirs, conflicts);
  ASSERT_TRUE(merged);
  EXPECT_EQ(*merged, document(R"({"id":"a","v":2},{"id":"b","v":3},{"id":"other"},{"id":"new"})"));
  EXPECT_FALSE(merge_rules(base, mine, document(R"({"id":"a","v":9},{"id":"b","v":1},{"id":"c","v":1})"), conflicts));
  EXPECT_EQ(conflicts, std::vector<std::string>{"a"});
}

TEST(RuleFaults, AreReadOneByOne) {
  const auto faults = read_faults(
      R"(rule "old", key "patern", line 13 column 4: no such key; a note of your own begins with "x-"; rule number 2, line 5 column 1: needs an id)");
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_EQ(faults[0].rule, "old");
  EXPECT_EQ(faults[0].key, "patern");
  EXPECT_EQ(faults[0].line, 13U);
  EXPECT_EQ(faults[0].message, R"(no such key; a note of your own begins with "x-")");
  EXPECT_EQ(faults[1].rule, "number 2");
  EXPECT_EQ(faults[1].message, "needs an id");
  ASSERT_EQ(read_faults("something else").size(), 1U);
  EXPECT_EQ(read_faults("something else")[0].message, "something else");
}

TEST(RuleCover, IsCertainOrSilent) {
  const std::string uri = R"("field":"URI","pattern":)";
  EXPECT_TRUE(covers(uri + R"("*ADMIN*")", uri + R"("/admin/*")"));
  EXPECT_TRUE(covers(uri + R"("*")", uri + R"("/x")"));
  EXPECT_TRUE(covers(uri + R"(".")", uri + R"("*a*b*")"));
  EXPECT_TRUE(covers(uri + R"("*a*")", R"("field":"URI","match":"contains","pattern":"xax")"));
  EXPECT_TRUE(covers(uri + R"(["/a/*","/b/*"])", uri + R"(["/a/1","/b/*"])"));
  EXPECT_TRUE(covers(uri + R"("/a*")", uri + R"("/a*","requires":{"Method":"POST"})"));
  EXPECT_TRUE(covers(uri + R"("/a*","max_length":20)", uri + R"("/ab","max_length":10)"));
  EXPECT_TRUE(covers(R"("not":{"field":"URI","pattern":"/a/b"})", R"("not":{"field":"URI","pattern":"/a/*"})"));
  EXPECT_TRUE(covers(R"("any":[{"field":"URI","pattern":"/a*"},{"field":"Method","pattern":"X"}])", uri + R"("/ab")"));

  EXPECT_FALSE(covers(uri + R"("/admin/*")", uri + R"("*admin*")"));
  EXPECT_FALSE(covers(uri + R"("/a*","requires":{"Method":"POST"})", uri + R"("/a*")"));
  EXPECT_FALSE(covers(uri + R"("*a*")", R"("field":"Path","pattern":"*a*")"));
  EXPECT_FALSE(covers(uri + R"("*a*")", uri + R"("*a*","transformations":["urlDecodeUni"])"));
  EXPECT_FALSE(covers(uri + R"("*a*","max_length":10)", uri + R"("*a*","max_length":20)"));
  EXPECT_FALSE(covers(uri + R"("*a*","max_length":10)", uri + R"("*a*")"));
  EXPECT_FALSE(covers(uri + R"("a")", R"("field":"URI","match":"regex","pattern":"a")"));
  EXPECT_FALSE(covers(uri + R"("/*x")", R"("field":"URI","match":"contains","pattern":"*x")")) << "a literal star";
  EXPECT_FALSE(covers(R"("not":{"field":"URI","pattern":"/a/*"})", R"("not":{"field":"URI","pattern":"/a/b"})"));
}

TEST(RuleLint, TellsWhatDoesNothing) {
  const auto wide = rule("wide", R"("field":"URI","pattern":"*admin*")");
  const auto narrow = rule("narrow", R"("field":"URI","pattern":"/admin/*")", "Log");
  EXPECT_TRUE(says(doubtful({narrow, wide}), "narrow", "rule \"wide\" (Block) is asked first"));
  EXPECT_TRUE(doubtful({rule("wide", R"("field":"URI","pattern":"*admin*")", "Log"),
                        rule("n", R"("field":"URI","pattern":"/admin/*")")})
                  .empty())
      << "Block is asked before Log";
  EXPECT_TRUE(
      says(doubtful({rule("a", R"("field":"URI","pattern":"*x*")"), rule("b", R"("field":"URI","pattern":"*X*")")}),
           "b", "says the same as rule \"a\""));
  EXPECT_TRUE(
      doubtful({rule("wide", R"("field":"URI","pattern":"*admin*","expires_at":"2027-01-01T00:00:00Z")"), narrow})
          .empty())
      << "the first ends before";
  EXPECT_TRUE(doubtful({rule("wide", R"("field":"URI","pattern":"*admin*","enabled":false)"), narrow}).empty());
  EXPECT_TRUE(says(doubtful({rule("old", R"("field":"URI","pattern":"*x*","expires_at":1)")}), "old",
                   "has ended at 1970-01-01T00:00:01Z"));
  EXPECT_TRUE(says(doubtful({rule("all", R"("field":"URI","pattern":".")")}), "all", "every request"));
  EXPECT_TRUE(says(doubtful({rule("re", R"("field":"Query","pattern":"^id=\\d+$")")}), "re",
                   "looks like a regular expression"));
  EXPECT_TRUE(says(doubtful({rule("no", R"("field":"URI","pattern":"select")")}), "no", "say \"*select*\""));
  EXPECT_TRUE(doubtful({rule("ok", R"("field":"Path","pattern":["/a","*.env"])"),
                        rule("h", R"("field":"Header:X","pattern":"bot")")})
                  .empty());
}

TEST(RuleLint, EndsWithVeryManyRulesAlike) {
  std::vector<Json> rules;
  for (int i = 0; i < 10'000; ++i)
    rules.push_back(rule("r" + std::to_string(i), R"("field":"URI","pattern":"/a)" + std::to_string(i) + "\""));
  const auto notes = doubtful(rules);
  EXPECT_TRUE(says(notes, "", "not all were held against each other"));
}

TEST(TemporaryFile, GoesUnlessItIsKept) {
  std::filesystem::path gone;
  std::filesystem::path kept;
  {
    auto file = TemporaryFile::make("rules", "x");
    ASSERT_TRUE(file);
    gone = file->path();
    EXPECT_TRUE(std::filesystem::exists(gone));
    auto other = TemporaryFile::make("rules", "y");
    kept = other.value().keep();
  }
  EXPECT_FALSE(std::filesystem::exists(gone.parent_path()));
  EXPECT_TRUE(std::filesystem::exists(kept));
  std::filesystem::remove_all(kept.parent_path());
}

}  // namespace
}  // namespace secbeat::cli
