// How rules decide: documents and requests as data.
#include <gtest/gtest.h>

#include "testing.hpp"

namespace secbeat::waf {
namespace {

using testing::ConfiguredModule;
using testing::TestRequest;

// The document with which the project describes its rules.
constexpr std::string_view kTwoRules =
    R"({"rules":[{"id":"block-sqli-pattern","field":"URI","pattern":"*' OR *--*","action":"Block"},)"
    R"({"id":"block-short-ua-admin","field":"Header:User-Agent","pattern":".","max_length":20,)"
    R"("requires":{"URI":"/admin/*"},"action":"RateLimit"}]})";

std::string decided(std::string_view document, const TestRequest& request) {
  ConfiguredModule module(document);
  EXPECT_EQ(module.fault(), "") << document;
  return module.decide(request).text;
}

// Of a document with one rule "r", of which this is the condition.
bool holds(const std::string& condition, const TestRequest& request) {
  return decided(R"({"rules":[{"id":"r","action":"Block",)" + condition + "}]}", request) == "Block r";
}

bool uri_holds(const std::string& pattern, const std::string& uri) {
  return holds(R"("field":"URI","pattern":")" + pattern + "\"", {.uri = uri});
}

TEST(Rules, TwoRulesOfTheDescriptionDoWhatTheySay) {
  ConfiguredModule module(kTwoRules);
  ASSERT_EQ(module.fault(), "");
  const auto decide = [&](const TestRequest& request) { return module.decide(request).text; };
  EXPECT_EQ(decide({.uri = "/?id=1' OR 1=1--"}), "Block block-sqli-pattern");
  EXPECT_EQ(decide({.uri = "/?id=1%27%20or%201=1--%20x"}), "Block block-sqli-pattern");
  EXPECT_EQ(decide({.uri = "/?id=1' OR 1=1"}), "Allow");
  EXPECT_EQ(decide({.uri = "/?id=1'OR 1=1--"}), "Allow");
  const auto with_agent = [](std::string uri, std::string agent) {
    return TestRequest{.uri = std::move(uri), .headers = {{"user-agent", std::move(agent)}}};
  };
  EXPECT_EQ(decide(with_agent("/admin/users", "curl/8.5")), "RateLimit block-short-ua-admin");
  EXPECT_EQ(decide(with_agent("/ADMIN/a/b?c", std::string(20, 'x'))), "RateLimit block-short-ua-admin");
  EXPECT_EQ(decide(with_agent("/%61dmin/users", "")), "RateLimit block-short-ua-admin");
  EXPECT_EQ(decide(with_agent("/admin/users", std::string(21, 'x'))), "Allow");
  EXPECT_EQ(decide(with_agent("/admin", "curl/8.5")), "Allow");
  EXPECT_EQ(decide(with_agent("/shop/admin/", "curl/8.5")), "Allow");
  EXPECT_EQ(decide({.uri = "/admin/users"}), "Allow") << "an absent field never matches";
  EXPECT_EQ(decide(with_agent("/admin/?' or --", "curl")), "Block block-sqli-pattern");
}

TEST(Rules, NameThemselvesAndSayWhy) {
  ConfiguredModule module(kTwoRules);
  EXPECT_EQ(module.decide({.uri = "/?a=' or b--"}).message, "URI matches *' OR *--*");
  ConfiguredModule told(R"({"rules":[{"id":"r","field":"URI","pattern":"*x*","action":"Log","message":"An x"}]})");
  EXPECT_EQ(told.decide({.uri = "/x"}).message, "An x");
}

TEST(Rules, GlobsMatchWholeValues) {
  EXPECT_TRUE(uri_holds("/admin/*", "/admin/"));
  EXPECT_TRUE(uri_holds("/admin/*", "/admin/a/b"));
  EXPECT_FALSE(uri_holds("/admin/*", "/admin"));
  EXPECT_FALSE(uri_holds("/admin/*", "/x/admin/"));
  EXPECT_TRUE(uri_holds("*.php", "/a/b.PHP"));
  EXPECT_FALSE(uri_holds("*.php", "/a/b.php5"));
  EXPECT_TRUE(uri_holds("/a*b*c", "/abc"));
  EXPECT_TRUE(uri_holds("/a*b*c", "/axxbyyc"));
  EXPECT_FALSE(uri_holds("/a*b*c", "/acb"));
  EXPECT_FALSE(uri_holds("/ab*bc", "/abc")) << "parts do not share bytes";
  EXPECT_TRUE(uri_holds("*ab*ab*", "/abab"));
  EXPECT_FALSE(uri_holds("*ab*ab*", "/aba"));
  EXPECT_TRUE(uri_holds("**x**", "/x"));
  EXPECT_TRUE(uri_holds("*", ""));
  EXPECT_TRUE(uri_holds(".", "/"));
  EXPECT_FALSE(uri_holds("/a.b", "/axb")) << "elsewhere a dot is a dot";
  EXPECT_TRUE(uri_holds("/search?q=*", "/search?q=1")) << "a question mark is one";
  EXPECT_FALSE(uri_holds("/search?q=*", "/searchXq=1"));
}

TEST(Rules, OtherMatchesAreLiteral) {
  const auto with = [](const char* match, const char* pattern, const char* uri) {
    return holds(std::string(R"("field":"URI","match":")") + match + R"(","pattern":")" + pattern + "\"", {.uri = uri});
  };
  EXPECT_TRUE(with("contains", "a*b", "/xA*By"));
  EXPECT_FALSE(with("contains", "a*b", "/xaxby"));
  EXPECT_TRUE(with("contains", ".", "/x.y"));
  EXPECT_FALSE(with("contains", ".", "/xy"));
  EXPECT_TRUE(with("prefix", "/a", "/abc"));
  EXPECT_FALSE(with("prefix", "a", "/abc"));
  EXPECT_TRUE(with("equals", "/a", "/A"));
  EXPECT_FALSE(with("equals", "/a", "/a/"));
  EXPECT_TRUE(with("contains", "%2527", "/%2527"));
  EXPECT_TRUE(with("contains", "%27", "/%2527")) << "decoded once";
  EXPECT_FALSE(with("contains", "'", "/%2527")) << "and no more";
}

TEST(Rules, FindLiteralsOfAnyLengthAtAnyPlace) {
  for (std::size_t length = 1; length <= 40; ++length) {
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string literal(length, 'q');
      const std::string condition = R"("field":"URI","match":"contains","pattern":")" + literal + "\"";
      EXPECT_TRUE(holds(condition, {.uri = "/" + std::string(before, 'a') + literal})) << length << " " << before;
      EXPECT_FALSE(holds(condition, {.uri = "/" + std::string(before, 'a') + literal.substr(1)}));
      EXPECT_TRUE(holds(condition, {.uri = std::string(before, 'a') + "%71" + literal.substr(1) + "b"}));
      EXPECT_TRUE(holds(condition, {.uri = std::string(before, 'a') + literal.substr(1) + "%71b"}));
    }
  }
}

TEST(Rules, ReadEveryField) {
  const TestRequest request{.method = "POST",
                            .uri = "http://host/Path/x?a=1&b=Two&a=3&%63=4&d#f",
                            .headers = {{"cookie", "id=5; Name = x=y;bare"}, {"x-a", "one"}, {"x-a", "two"}},
                            .body = "f=1&g=%32",
                            .source_ip = "192.0.2.7"};
  const auto field = [&](const char* name, const char* pattern) {
    return holds(std::string(R"("field":")") + name + R"(","pattern":")" + pattern + "\"", request);
  };
  EXPECT_TRUE(field("Method", "post"));
  EXPECT_TRUE(field("URI", "http://host/*#f"));
  EXPECT_TRUE(field("Path", "/path/x"));
  EXPECT_TRUE(field("Query", "a=1&b=two&a=3&%63=4&d"));
  EXPECT_TRUE(field("Query", "a=1&b=two&a=3&c=4&d"));
  EXPECT_TRUE(field("Arg:a", "1"));
  EXPECT_TRUE(field("Arg:A", "3"));
  EXPECT_TRUE(field("Arg:c", "4"));
  EXPECT_TRUE(field("Arg:d", "."));
  EXPECT_FALSE(field("Arg:e", "."));
  EXPECT_TRUE(field("Args", "two"));
  EXPECT_FALSE(field("Args", "b=two"));
  EXPECT_TRUE(field("Header:X-A", "two"));
  EXPECT_TRUE(field("Headers", "one"));
  EXPECT_FALSE(field("Headers", "three"));
  EXPECT_TRUE(field("Cookie:id", "5"));
  EXPECT_TRUE(field("Cookie:ID", "5"));
  EXPECT_TRUE(field("Cookie:bare", "."));
  EXPECT_TRUE(field("SourceIP", "192.0.2.0/24"));
  EXPECT_TRUE(field("SourceIP", "192.0.2.7"));
  EXPECT_TRUE(field("SourceIP", "192.0.*"));
  EXPECT_FALSE(field("SourceIP", "192.0.3.0/24"));
  EXPECT_TRUE(field("SourceIP", "0.0.0.0/0"));
  EXPECT_FALSE(field("SourceIP", "::/0")) << "no IPv6 network holds an IPv4 address";
  EXPECT_TRUE(field("Body", "f=1*"));
  EXPECT_TRUE(field("Form:g", "2"));
  EXPECT_FALSE(field("Form:h", "."));
}

TEST(Rules, HoldUntilTheirSecond) {
  ConfiguredModule module(
      R"({"rules":[{"id":"r","field":"URI","pattern":"*x*","action":"Block","expires_at":"2026-11-27T04:00:00Z"}]})");
  ASSERT_EQ(module.fault(), "");
  constexpr std::uint64_t kExpiry = 1'795'752'000'000;
  EXPECT_EQ(module.decide({.uri = "/x", .now_unix_ms = kExpiry - 1}).text, "Block r");
  EXPECT_EQ(module.decide({.uri = "/x", .now_unix_ms = kExpiry}).text, "Allow");
}

TEST(Rules, WinByActionAndThenByOrder) {
  const auto rule = [](const char* id, const char* action) {
    return std::string(R"({"id":")") + id + R"(","field":"URI","pattern":"*x*","action":")" + action + "\"}";
  };
  const auto of = [](const std::string& rules) { return decided("{\"rules\":[" + rules + "]}", {.uri = "/x"}); };
  EXPECT_EQ(of(rule("a", "Log") + "," + rule("b", "RateLimit") + "," + rule("c", "Block")), "Block c");
  EXPECT_EQ(of(rule("a", "Log") + "," + rule("b", "RateLimit")), "RateLimit b");
  EXPECT_EQ(of(rule("a", "Block") + "," + rule("b", "Block")), "Block a");
  EXPECT_EQ(of(rule("a", "Block") + "," + rule("b", "Allow")), "Allow b");
}

TEST(Rules, ReadJsonBodies) {
  const auto json = [](const char* field, const char* pattern, const char* body) {
    return holds(std::string(R"("field":"JSON:)") + field + R"(","match":"contains","pattern":")" + pattern + "\"",
                 {.body = body});
  };
  EXPECT_TRUE(json("/a/1", "select", R"({"a":["x","S\u0065lect"]})"));
  EXPECT_FALSE(json("/a/0", "select", R"({"a":["x","select"]})"));
  EXPECT_TRUE(json("", "select", R"({"b":{"c":"select"}})"));
  EXPECT_TRUE(json("/a", "select", R"({"a":"select)")) << "what is cut counts up to there";
  EXPECT_TRUE(json("/a~1b", "12345", R"({"a/b":123456})"));
  EXPECT_FALSE(json("", "\\\\u0061", R"(x\u0061)")) << "no escape stands outside of a text";
}

// Work is what is passed and compared; it grows with the request and no faster.
TEST(Rules, NoRequestMakesThemMoreThanLinear) {
  ConfiguredModule module(R"({"rules":[
    {"id":"a","field":"Body","match":"contains","pattern":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab","action":"Block"},
    {"id":"b","field":"Body","pattern":"*aaaaaaaa*aaaaaaab*c*","action":"Block"},
    {"id":"c","field":"Body","match":"regex","pattern":"(a|aa)+$b","action":"Block"},
    {"id":"d","field":"JSON:","pattern":"*aaaaaaaa*x","transformations":["htmlEntityDecode","normalizePath"],"action":"Log"}]})");
  ASSERT_EQ(module.fault(), "");
  for (const std::string piece : {"a", "%61", "../", "&#x61", "[\"a\",", "\\u0061", "aaaaaaab"}) {
    const auto work = [&](std::size_t size) {
      std::string body;
      while (body.size() < size) body += piece;
      module.decide({.body = body});
      return module.module().work();
    };
    const auto small = work(8'000);
    EXPECT_LE(work(64'000), small * 9) << piece;
  }
}

TEST(Rules, ARequestThatWouldCostTooMuchIsDecidedByTheStrictestAction) {
  std::string rules;
  for (int i = 0; i < 400; ++i) {
    rules += (i > 0 ? "," : "") + std::string(R"({"id":"r)") + std::to_string(i) +
             R"(","field":"Body","pattern":"*common text*never )" + std::to_string(i) + R"(*","action":"RateLimit"})";
  }
  ConfiguredModule module("{\"rules\":[" + rules + "]}");
  ASSERT_EQ(module.fault(), "");
  std::string body = "common text";
  for (int i = 0; i < 400; ++i) body += " never " + std::to_string(i);
  EXPECT_EQ(module.decide({.body = "common text"}).text, "Allow");
  std::string large = std::string(900'000, 'x');
  for (int i = 399; i >= 0; --i) large = "never " + std::to_string(i) + " " + large;
  EXPECT_EQ(module.decide({.body = large + " common text"}).text, "RateLimit universal-waf:work-limit");
}

}  // namespace
}  // namespace secbeat::waf
