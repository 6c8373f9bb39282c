// Decides requests on the host: for comparing with the reference in tests/rules.
//
// Each line of the input is {"config": text, "requests": [{"method","uri","headers":[[name,value]…],"body","source_ip",
// "now_unix_ms"}…]}, each of the output {"fault": text, "verdicts": ["Block rule-id", "Allow"…]}. Texts of requests are
// bytes, one for each character.
#include <nlohmann/json.hpp>

#include <iostream>
#include <string>

#include "testing.hpp"

namespace {

using nlohmann::json;
using secbeat::waf::testing::ConfiguredModule;
using secbeat::waf::testing::TestRequest;

std::string bytes_of(const json& text) {
  const auto utf8 = text.get<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const unsigned byte = static_cast<unsigned char>(utf8[i]);
    bytes += byte < 0x80 ? utf8[i]
                         : static_cast<char>((byte << 6U | (static_cast<unsigned char>(utf8[++i]) & 0x3FU)) & 0xFFU);
  }
  return bytes;
}

TestRequest request_of(const json& given) {
  TestRequest request{.method = bytes_of(given.at("method")), .uri = bytes_of(given.at("uri"))};
  for (const json& header : given.at("headers"))
    request.headers.emplace_back(bytes_of(header.at(0)), bytes_of(header.at(1)));
  request.body = bytes_of(given.at("body"));
  request.source_ip = bytes_of(given.at("source_ip"));
  request.now_unix_ms = given.at("now_unix_ms");
  return request;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const json work = json::parse(line);
    secbeat::waf::testing::forget_modules();
    ConfiguredModule module(work.at("config").get<std::string>());
    json answer{{"fault", module.fault()}, {"verdicts", json::array()}};
    for (const json& request : work.at("requests")) {
      if (module.fault().empty()) answer["verdicts"].push_back(module.decide(request_of(request)).text);
    }
    std::cout << answer.dump() << std::endl;
  }
}
