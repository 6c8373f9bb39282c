#include <fmt/format.h>

#include <array>
#include <chrono>

#include "compile_parts.hpp"
#include "ticker.hpp"

namespace secbeat::engine {
namespace {

std::string words_of(Verdict verdict, std::string_view rule) {
  static constexpr std::array kWords = {"Allow", "Block", "Log", "RateLimit"};
  return kWords.at(static_cast<std::size_t>(verdict)) + (rule.empty() ? std::string() : " " + std::string(rule));
}

std::string expected_of(const RuleTest& test) {
  if (test.rule && test.rule->empty()) return words_of(test.verdict, {}) + " without a rule";
  return words_of(test.verdict, test.rule.value_or(""));
}

std::uint64_t now_unix_ms() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

// What was decided; nothing: as expected.
std::optional<std::string> difference(Instance& instance, const RuleTest& test) {
  std::vector<HeaderView> headers;
  Sample sample{test.name, {}};
  RequestView& request = sample.request;
  for (const auto& [name, value] : test.headers) {
    headers.push_back({name, value});
    if (name == "host") request.host = value;
  }
  request.method = test.method;
  request.uri = test.uri;
  request.version = "HTTP/1.1";
  request.source_ip = test.source_ip;
  request.server_ip = "198.51.100.1";
  request.body = test.body;
  request.body_total_len = test.body.size();
  request.now_unix_ms = test.unix_ms.value_or(now_unix_ms());
  request.headers = headers;
  const auto verdict = instance.inspect(given_to(instance, sample));
  if (!verdict) return fmt::format("no verdict ({}: {})", word_of(verdict.error().kind), verdict.error().message);
  const std::string rule = instance.verdict_detail().rule;
  if (*verdict == test.verdict && (!test.rule || *test.rule == rule)) return std::nullopt;
  return words_of(*verdict, rule);
}

}  // namespace

Result<RuleTestReport> run_rule_tests(Engine& engine, const std::shared_ptr<const Artifact>& artifact,
                                      const Limits& limits, std::string_view config, const std::vector<RuleTest>& tests,
                                      std::chrono::milliseconds time) {
  const Ticker ticker(engine);
  const auto end = std::chrono::steady_clock::now() + time;
  RuleTestReport report;
  std::unique_ptr<Instance> instance;
  for (const RuleTest& test : tests) {
    if (std::chrono::steady_clock::now() >= end) break;
    if (!instance || !instance->usable()) {
      auto made = Instance::create(engine, artifact, limits, config);
      if (!made) return std::unexpected(made.error());
      instance = *std::move(made);
    }
    ++report.run;
    auto got = difference(*instance, test);
    if (!got) continue;
    ++report.failed;
    if (report.failures.size() < kMostFailuresTold)
      report.failures.push_back({test.name, expected_of(test), *std::move(got)});
  }
  report.not_run = tests.size() - report.run;
  return report;
}

}  // namespace secbeat::engine
