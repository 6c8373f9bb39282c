// The lines of universal-waf-decide and universal-waf-decide-wasm, which decide the same for tests/rules.
//
// Each line of the input is {"config": text, "requests": [{"method","uri","headers":[[name,value]…],"body","source_ip",
// "now_unix_ms"}…]}, each of the output {"fault": text, "verdicts": ["Block rule-id", "Allow"…]}. Texts of requests are
// bytes, one for each character.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace secbeat::waf::tools {

struct AskedRequest {
  std::string method;
  std::string uri;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string source_ip;
  std::uint64_t now_unix_ms = 0;
};

struct Answer {
  std::string fault;                  // why the configuration is refused; empty: it is not
  std::vector<std::string> verdicts;  // none where it is
};

inline std::string bytes_of(const nlohmann::json& text) {
  const auto utf8 = text.get<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const unsigned byte = static_cast<unsigned char>(utf8[i]);
    bytes += byte < 0x80 ? utf8[i]
                         : static_cast<char>((byte << 6U | (static_cast<unsigned char>(utf8[++i]) & 0x3FU)) & 0xFFU);
  }
  return bytes;
}

inline AskedRequest request_of(const nlohmann::json& given) {
  AskedRequest request{.method = bytes_of(given.at("method")),
                       .uri = bytes_of(given.at("uri")),
                       .headers = {},
                       .body = bytes_of(given.at("body")),
                       .source_ip = bytes_of(given.at("source_ip")),
                       .now_unix_ms = given.at("now_unix_ms")};
  for (const nlohmann::json& header : given.at("headers"))
    request.headers.emplace_back(bytes_of(header.at(0)), bytes_of(header.at(1)));
  return request;
}

// `decide` makes an Answer of a configuration and requests.
template <class Decide>
void answer_lines(Decide&& decide) {
  for (std::string line; std::getline(std::cin, line);) {
    const auto work = nlohmann::json::parse(line);
    std::vector<AskedRequest> requests;
    for (const nlohmann::json& request : work.at("requests")) requests.push_back(request_of(request));
    const Answer answer = decide(work.at("config").get<std::string>(), requests);
    std::cout << nlohmann::json{{"fault", answer.fault}, {"verdicts", answer.verdicts}}.dump() << std::endl;
  }
}

}  // namespace secbeat::waf::tools
