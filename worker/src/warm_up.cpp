#include "warm_up.hpp"

#include <array>

#include "secbeat/engine/request.hpp"

namespace secbeat::worker {
namespace {

using engine::HeaderView;
using engine::RequestView;

constexpr std::array<HeaderView, 6> kBrowserHeaders{{
    {"host", "www.example.com"},
    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
    {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
    {"accept-language", "en-US,en;q=0.5"},
    {"accept-encoding", "gzip, deflate, br"},
    {"cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"},
}};
constexpr std::array<HeaderView, 3> kFormHeaders{{
    {"host", "www.example.com"},
    {"content-type", "application/x-www-form-urlencoded"},
    {"content-length", "35"},
}};

RequestView request_of(std::string_view method, std::string_view uri, std::span<const HeaderView> headers) {
  RequestView request;
  request.method = method;
  request.uri = uri;
  request.version = "HTTP/1.1";
  request.source_ip = "192.0.2.1";  // RFC 5737, documentation
  request.host = "www.example.com";
  request.server_ip = "192.0.2.2";
  request.request_id = "00000000000000000000000000000000";
  request.source_port = 49152;
  request.server_port = 443;
  request.headers = headers;
  return request;
}

std::array<RequestView, 3> samples() {
  std::array<RequestView, 3> requests{
      request_of("GET", "/", kBrowserHeaders),
      request_of("GET", "/search?q=blue+shoes&page=2&sort=price%20asc", kBrowserHeaders),
      request_of("POST", "/contact", kFormHeaders),
  };
  requests[2].body = "name=Ada&message=hello%2C+world&x=1";
  requests[2].body_total_len = requests[2].body.size();
  return requests;
}

}  // namespace

Warmth warm_up(engine::Instance& instance) {
  for (const RequestView& request : samples()) {
    if (!instance.inspect(request) || !instance.usable()) return Warmth::kFailed;
  }
  return Warmth::kWarm;
}

}  // namespace secbeat::worker
