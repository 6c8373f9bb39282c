#include "secbeat/engine/rule_tests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "secbeat/base/clock.hpp"
#include "utf8.hpp"

namespace secbeat::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 16;  // a test needs 5; notes have room beside them
constexpr std::size_t kMaxTestHeaders = 200;
constexpr std::size_t kMostSummed = 10;
constexpr std::array<std::string_view, 4> kVerdicts = {"Allow", "Block", "Log", "RateLimit"};

struct Fault {
  std::string what;
};

[[noreturn]] void refuse(std::string_view key, std::string_view what) {
  throw Fault{fmt::format("key \"{}\": {}", key, what)};
}

void check_keys(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (!key.starts_with("x-") && std::ranges::find(known, key) == known.end()) {
      refuse(repaired_utf8(key, kMaxTestNameBytes), "no such key; a note of your own begins with \"x-\"");
    }
  }
}

std::string text_of(const Json& object, const char* key, std::string fallback) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if (!found->is_string()) refuse(key, "is a text");
  return found->get<std::string>();
}

// What a header of HTTP cannot hold would be decided by no node.
std::string header_value(const std::string& name, const Json& value) {
  if (!value.is_string())
    refuse("headers", fmt::format("the value of {} is a text", name.substr(0, kMaxTestNameBytes)));
  auto text = value.get<std::string>();
  if (text.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos)
    refuse("headers", "a value has no line end and no byte 0");
  return text;
}

// A name has one value, or a list of them.
std::vector<std::pair<std::string, std::string>> headers_of(const Json& request) {
  std::vector<std::pair<std::string, std::string>> headers;
  const auto given = request.find("headers");
  if (given == request.end()) return headers;
  if (!given->is_object()) refuse("headers", "is an object of names and values");
  for (const auto& [name, value] : given->items()) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool good =
        !lower.empty() && std::ranges::all_of(lower, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
    if (!good) refuse("headers", "a name is printable ASCII without spaces and colons");
    const Json values = value.is_array() ? value : Json::array({value});
    for (const Json& one : values) headers.emplace_back(lower, header_value(lower, one));
    if (headers.size() > kMaxTestHeaders) refuse("headers", fmt::format("more than {}", kMaxTestHeaders));
  }
  return headers;
}

void read_request(const Json& request, RuleTest& test) {
  if (!request.is_object()) refuse("request", "is an object");
  check_keys(request, {"method", "uri", "headers", "body", "source_ip", "time"});
  test.method = text_of(request, "method", test.method);
  test.uri = text_of(request, "uri", test.uri);
  test.source_ip = text_of(request, "source_ip", test.source_ip);
  test.body = text_of(request, "body", {});
  test.headers = headers_of(request);
  if (test.method.empty()) refuse("method", "is empty");
  if (test.uri.empty()) refuse("uri", "is empty");
  if (!request.contains("time")) return;
  const auto time = parse_rfc3339(text_of(request, "time", {}));
  if (!time || *time < SystemTime()) refuse("time", "expected a time such as 2026-11-27T04:00:00Z");
  test.unix_ms = unix_ms_of(*time);
}

RuleTest read_test(const Json& json, std::size_t number) {
  if (!json.is_object()) throw Fault{"is no object"};
  check_keys(json, {"name", "description", "request", "verdict", "rule"});
  RuleTest test;
  test.name = text_of(json, "name", fmt::format("test number {}", number));
  if (test.name.empty() || test.name.size() > kMaxTestNameBytes)
    refuse("name", fmt::format("has 1 to {} bytes", kMaxTestNameBytes));
  if (json.contains("request")) read_request(json.at("request"), test);
  const auto place = std::ranges::find(kVerdicts, text_of(json, "verdict", {}));
  if (place == kVerdicts.end()) refuse("verdict", "is Allow, Block, Log or RateLimit, and has to be there");
  test.verdict = static_cast<Verdict>(place - kVerdicts.begin());
  if (const auto rule = json.find("rule"); rule != json.end())
    test.rule = rule->is_null() ? std::string() : text_of(json, "rule", {});
  return test;
}

std::vector<RuleTest> tests_of(const Json& json) {
  if (!json.is_object() || !json.contains("tests") || !json.at("tests").is_array()) {
    throw Fault{"key \"tests\": is a list of tests, and has to be there"};
  }
  check_keys(json, {"$schema", "description", "tests"});
  const Json& list = json.at("tests");
  if (list.size() > kMaxRuleTests) refuse("tests", fmt::format("more than {}", kMaxRuleTests));
  std::vector<RuleTest> tests;
  for (const Json& one : list) {
    try {
      tests.push_back(read_test(one, tests.size() + 1));
    } catch (const Fault& fault) {
      throw Fault{fmt::format("test number {}, {}", tests.size() + 1, fault.what)};
    }
  }
  return tests;
}

}  // namespace

Result<std::vector<RuleTest>> read_rule_tests(std::string_view text) {
  const auto not_too_deep = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > kDeepest) throw Fault{fmt::format("the JSON nests deeper than {}", kDeepest)};
    return true;
  };
  try {
    if (text.size() > kMaxRuleTestsBytes) throw Fault{fmt::format("more than {} bytes", kMaxRuleTestsBytes)};
    return tests_of(Json::parse(text, not_too_deep));
  } catch (const Fault& fault) {
    return fail(ErrorCode::kBadRule, fault.what);
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kBadJson, fmt::format("malformed JSON at byte {}", error.byte > 0 ? error.byte - 1 : 0));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kBadJson, "malformed JSON: a number is out of range");
  }
}

std::string summary(const RuleTestReport& report) {
  const std::string not_run =
      fmt::format("the time for rule tests was over after {} of {}", report.run, report.run + report.not_run);
  if (report.failed == 0) return not_run;
  std::string out = fmt::format("{} of {} rule tests fail: ", report.failed, report.run);
  std::size_t told = 0;
  for (const FailedRuleTest& failure : report.failures) {
    if (told == kMostSummed) break;
    const auto short_of = [](const std::string& text) { return repaired_utf8(text, kMaxTestNameBytes); };
    out += fmt::format("{}\"{}\" expected {}, got {}", told++ > 0 ? "; " : "", short_of(failure.name),
                       short_of(failure.expected), short_of(failure.got));
  }
  if (report.failed > told) out += fmt::format("; and {} more", report.failed - told);
  if (report.not_run > 0) out += "; " + not_run;
  return out;
}

}  // namespace secbeat::engine
