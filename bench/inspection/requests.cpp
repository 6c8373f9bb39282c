#include "requests.hpp"

#include <fmt/format.h>

#include <array>
#include <random>

namespace secbeat::bench {
namespace {

using engine::HeaderView;
using engine::RequestView;

constexpr std::array<std::string_view, 4> kAgents{
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0 and some more text",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Edg/129.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148",
};

// Letters and digits that follow from the number alone: every run measures the same requests.
std::string word(std::size_t number, std::size_t length) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::minstd_rand random(static_cast<std::minstd_rand::result_type>(number * 7919 + length + 1));
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += kAlphabet[random() % kAlphabet.size()];
  return text;
}

RequestView common(std::string_view method, std::string_view uri, std::string_view host) {
  RequestView request;
  request.method = method;
  request.uri = uri;
  request.version = "HTTP/1.1";
  request.host = host;
  request.server_ip = "198.51.100.1";
  request.now_unix_ms = 1763946003000;
  request.server_port = 443;
  request.flags = abi::kTls;
  return request;
}

}  // namespace

Requests::Requests(Kind kind) {
  all_.reserve(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    RequestView request = kind == Kind::kGet ? get(i) : post(i);
    request.source_ip = keep(fmt::format("203.0.113.{}", i % 250 + 1));
    request.source_port = static_cast<std::uint16_t>(20'000 + i);
    request.request_id = keep(word(i, 32));
    all_.push_back(request);
  }
}

RequestView Requests::get(std::size_t number) {
  const auto query = fmt::format("category={}&page={}&sort=price%20asc&q={}&ref={}", word(number, 12), number % 97,
                                 word(number + 1, 24), word(number + 2, 26));
  RequestView request =
      common("GET", keep(fmt::format("/catalogue/{}?{:.102}", word(number, 9), query)), "shop.example.org");
  const auto cookie = fmt::format("session={}; theme=dark; cart={}; consent={}; _ga={}", word(number, 64),
                                  word(number + 3, 96), word(number + 4, 40), word(number + 5, 56));
  request.headers = headers_.emplace_back(std::vector<HeaderView>{
      {"host", "shop.example.org"},
      {"user-agent", kAgents[number % kAgents.size()]},
      {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
      {"accept-language", number % 3 == 0 ? "de-DE,de;q=0.9,en;q=0.8" : "en-GB,en;q=0.9"},
      {"accept-encoding", "gzip, deflate, br"},
      {"cookie", keep(fmt::format("{:.309}", cookie))},
      {"upgrade-insecure-requests", "1"},
  });
  return request;
}

RequestView Requests::post(std::size_t number) {
  std::string body = "{";
  for (int leaf = 0; leaf < 70; ++leaf) {
    const auto value = word(number + static_cast<std::size_t>(leaf), 13);
    body += leaf % 5 == 0 ? fmt::format("\"count{:02}\":{},", leaf, number * 31 + 100'000)
                          : fmt::format("\"field{:02}\":\"{}\",", leaf, value);
  }
  body += fmt::format("\"note\":\"{}\"}}", word(number + 99, 148));
  RequestView request = common("POST", keep(fmt::format("/api/v2/orders/{}", word(number, 12))), "api.example.org");
  request.headers = headers_.emplace_back(std::vector<HeaderView>{
      {"host", "api.example.org"},
      {"user-agent", "okhttp/4.12.0"},
      {"accept", "application/json"},
      {"content-type", "application/json; charset=utf-8"},
      {"authorization", keep("Bearer " + word(number + 7, 120))},
      {"content-length", keep(std::to_string(body.size()))},
  });
  request.body = keep(std::move(body));
  request.body_total_len = request.body.size();
  return request;
}

double Requests::mean_wire_bytes() const {
  std::size_t sum = 0;
  for (const RequestView& request : all_) {
    sum += request.method.size() + request.uri.size() + request.version.size() + 6 + request.body.size();
    for (const HeaderView& header : request.headers) sum += header.name.size() + header.value.size() + 4;
  }
  return static_cast<double>(sum) / kCount;
}

}  // namespace secbeat::bench
