// Tests of rules as data: requests, and what a module has to decide about them. docs/rules.md describes the document.
//
// Thread safety: free functions without shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/request.hpp"

namespace secbeat::engine {

inline constexpr std::size_t kMaxRuleTestsBytes = std::size_t{4} << 20U;
inline constexpr std::size_t kMaxRuleTests = 10'000;
inline constexpr std::size_t kMaxTestNameBytes = 200;
// Of those that fail so many are told one by one.
inline constexpr std::size_t kMostFailuresTold = 100;

struct RuleTest {
  std::string name;
  std::string method = "GET";
  std::string uri = "/";
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string source_ip = "192.0.2.1";
  std::optional<std::uint64_t> unix_ms;  // when the request comes; nothing: now
  Verdict verdict = Verdict::kAllow;
  std::optional<std::string> rule;  // that has to decide; empty: none may
};

// kBadJson with the byte, kBadRule with the test and the key. Whatever is not as docs/rule-tests.schema.json says is
// refused.
Result<std::vector<RuleTest>> read_rule_tests(std::string_view text);

struct FailedRuleTest {
  std::string name;
  std::string expected;  // "Block some-rule"
  std::string got;       // the same, or why there was no verdict
};

struct RuleTestReport {
  std::uint64_t run = 0;
  std::uint64_t not_run = 0;  // their time was over
  std::uint64_t failed = 0;
  std::vector<FailedRuleTest> failures;  // the first of them
};

// Whether all were run, and none failed.
inline bool passed(const RuleTestReport& report) { return report.failed == 0 && report.not_run == 0; }

// "2 of 12 rule tests fail: "a name": expected Block x, got Allow; …". REQUIRES: they have not passed.
std::string summary(const RuleTestReport& report);

}  // namespace secbeat::engine
