// Decides requests by the sources of universal-waf, built for the host: for comparing with the reference in
// tests/rules.
#include "decide_lines.hpp"
#include "testing.hpp"

namespace {

namespace testing = secbeat::waf::testing;
using secbeat::waf::tools::Answer;
using secbeat::waf::tools::AskedRequest;

Answer decide(const std::string& config, const std::vector<AskedRequest>& requests) {
  testing::forget_modules();
  testing::ConfiguredModule module(config);
  Answer answer{.fault = module.fault(), .verdicts = {}};
  if (!answer.fault.empty()) return answer;
  for (const AskedRequest& asked : requests) {
    const testing::TestRequest request{.method = asked.method,
                                       .uri = asked.uri,
                                       .headers = asked.headers,
                                       .body = asked.body,
                                       .source_ip = asked.source_ip,
                                       .now_unix_ms = asked.now_unix_ms};
    answer.verdicts.push_back(module.decide(request).text);
  }
  return answer;
}

}  // namespace

int main() { secbeat::waf::tools::answer_lines(decide); }
