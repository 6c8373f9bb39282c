#include "samples.hpp"

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {
namespace {

constexpr std::string_view kUserAgent =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

// 2025-11-24T01:00:03Z; fixed, so that a rehearsal of the same bytes decides the same.
constexpr std::uint64_t kSampleTime = 1763946003000;

constexpr std::size_t kLongUriBytes = 7800;  // below what nginx takes by default (8 KiB for the request line)
constexpr std::size_t kManyHeaders = 100;
constexpr std::size_t kLargeBodyBytes = std::size_t{128} << 10U;  // what a node inspects of a body by default

constexpr std::string_view kJsonBody =
    R"({"user":"anna","email":"anna@example.org","comment":"It's 5 o'clock; drop me a line -- Anna","tags":["a","b"]})";

constexpr std::string_view kOddBytes = "/%00%ff/\xff\xfe/\x01?q=%u0041&\xc0\xaf=\xed\xa0\x80%";

std::vector<HeaderView> browser_headers() {
  return {
      {"host", "www.example.org"},
      {"user-agent", kUserAgent},
      {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
      {"accept-language", "en-GB,en;q=0.9,de;q=0.8"},
      {"accept-encoding", "gzip, deflate, br"},
      {"referer", "https://www.example.org/catalogue?page=2"},
      {"cookie", "session=0123456789abcdef0123456789abcdef"},
      {"cookie", "theme=dark; consent=yes"},
      {"upgrade-insecure-requests", "1"},
      {"sec-fetch-mode", "navigate"},
  };
}

}  // namespace

Samples::Samples() {
  add("get-root", "GET", "/");

  set_headers(add("get-browser", "GET", "/catalogue/item?id=42&sort=price"), browser_headers());

  RequestView& post = add("post-json", "POST", "/api/comments");
  set_headers(post, {{"host", "www.example.org"}, {"user-agent", kUserAgent}, {"content-type", "application/json"}});
  set_body(post, kJsonBody);

  add("long-uri", "GET", keep("/search?q=" + std::string(kLongUriBytes, 'a')));

  std::vector<HeaderView> many;
  for (std::size_t i = 0; i < kManyHeaders; ++i) many.push_back({keep("x-header-" + std::to_string(i)), "value"});
  set_headers(add("many-headers", "GET", "/"), std::move(many));

  RequestView& large = add("large-body", "POST", "/upload");
  set_headers(large, {{"host", "www.example.org"}, {"content-type", "application/octet-stream"}});
  set_body(large, keep(std::string(kLargeBodyBytes, 'b')));

  RequestView& odd = add("odd-bytes", "POST", kOddBytes);
  set_headers(odd, {{"host", ""}, {"x-odd", "\xff\xfe\x01"}, {"x-odd", ""}, {"cookie", "=;=;\x7f"}});
  set_body(odd, kOddBytes);
}

RequestView& Samples::add(std::string_view name, std::string_view method, std::string_view uri) {
  all_.reserve(8);  // references returned below stay valid while the constructor runs
  RequestView request;
  request.method = method;
  request.uri = uri;
  request.version = "HTTP/1.1";
  request.source_ip = "192.0.2.10";  // documentation addresses, RFC 5737
  request.host = "www.example.org";
  request.server_ip = "198.51.100.1";
  request.request_id = "00000000000000000000000000000001";
  request.now_unix_ms = kSampleTime;
  request.source_port = 50'000;
  request.server_port = 80;
  return all_.emplace_back(Sample{name, request}).request;
}

void Samples::set_headers(RequestView& request, std::vector<HeaderView> headers) {
  request.headers = headers_.emplace_back(std::move(headers));
}

void Samples::set_body(RequestView& request, std::string_view body) {
  request.body = body;
  request.body_total_len = body.size();
}

std::vector<std::string_view> sample_names() {
  const Samples samples;
  std::vector<std::string_view> names;
  for (const Sample& sample : samples.all()) names.push_back(sample.name);
  return names;
}

}  // namespace secbeat::engine
