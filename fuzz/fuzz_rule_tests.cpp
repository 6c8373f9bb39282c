// Tests of rules. What is taken could come to a node, and survives being written and read again; what is refused is
// refused in a few words.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz_support.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/engine/rule_tests.hpp"

namespace {

using namespace secbeat;
using engine::RuleTest;
using fuzz::require;
using Json = nlohmann::ordered_json;

// Later times have five digits for the year, which nobody can write.
constexpr std::uint64_t kLastMs = 253402300800000;

void check_request(const RuleTest& test) {
  require(!test.name.empty() && test.name.size() <= engine::kMaxTestNameBytes);
  require(!test.method.empty() && !test.uri.empty());
  for (const auto& [name, value] : test.headers) {
    require(!name.empty() && std::ranges::all_of(name, [](char c) {
      return c > ' ' && c < '\x7f' && c != ':' && (c < 'A' || c > 'Z');
    }));
    require(value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos);
  }
}

Json written(const RuleTest& test) {
  static constexpr const char* kVerdicts[] = {"Allow", "Block", "Log", "RateLimit"};
  Json request = {{"method", test.method}, {"uri", test.uri}, {"body", test.body}, {"source_ip", test.source_ip}};
  for (const auto& [name, value] : test.headers) request["headers"][name].push_back(value);
  if (test.unix_ms && *test.unix_ms < kLastMs) request["time"] = rfc3339(time_of_unix_ms(*test.unix_ms));
  Json json = {
      {"name", test.name}, {"request", request}, {"verdict", kVerdicts[static_cast<std::size_t>(test.verdict)]}};
  if (test.rule) json["rule"] = test.rule->empty() ? Json() : Json(*test.rule);
  return json;
}

void check_same(RuleTest one, const RuleTest& other) {
  std::ranges::stable_sort(one.headers, {}, &std::pair<std::string, std::string>::first);
  auto headers = other.headers;
  std::ranges::stable_sort(headers, {}, &std::pair<std::string, std::string>::first);
  require(one.headers == headers);
  require(one.name == other.name && one.method == other.method && one.uri == other.uri && one.body == other.body);
  require(one.source_ip == other.source_ip && one.verdict == other.verdict && one.rule == other.rule);
  if (one.unix_ms && *one.unix_ms < kLastMs) require(other.unix_ms && *one.unix_ms / 1000 == *other.unix_ms / 1000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tests = engine::read_rule_tests(fuzz::text_of(data, size));
  if (!tests) {
    require(tests.error().code == ErrorCode::kBadJson || tests.error().code == ErrorCode::kBadRule);
    require(tests.error().message.size() <= 512);
    return 0;
  }
  require(tests->size() <= engine::kMaxRuleTests);
  Json list = Json::array();
  for (const RuleTest& test : *tests) {
    check_request(test);
    list.push_back(written(test));
  }
  const auto again = engine::read_rule_tests(Json{{"tests", list}}.dump());
  require(again && again->size() == tests->size());
  for (std::size_t i = 0; i < tests->size(); ++i) check_same((*tests)[i], (*again)[i]);
  return 0;
}
