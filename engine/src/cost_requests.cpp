#include "cost_requests.hpp"

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {
namespace {

constexpr std::size_t kLineBytes = 7800;
// A quarter of what a node inspects by default: enough to tell a square from a line, and soon counted.
constexpr std::size_t kBodyBytes = std::size_t{32} << 10U;
constexpr std::size_t kHeaders = 200;
// With its name, 150 bytes: 200 of them are 30 KB.
constexpr std::string_view kHeaderValue =
    "q=0.8, "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaa";
constexpr std::uint64_t kTime = 1763946003000;  // 2025-11-24T01:00:03Z, fixed: the same bytes cost the same

// `start`, then `piece` over and over, to at most `limit` bytes.
std::string repeated(std::string_view start, std::string_view piece, std::size_t limit) {
  std::string text(start);
  text.reserve(limit);
  while (text.size() + piece.size() <= limit) text += piece;
  return text;
}

// `open` and `close` around each other as deep as they fit.
std::string nested(std::string_view open, std::string_view close, std::size_t limit) {
  const std::size_t depth = limit / (open.size() + close.size());
  std::string text;
  text.reserve(limit);
  for (std::size_t i = 0; i < depth; ++i) text += open;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

}  // namespace

CostRequests::CostRequests() {
  // Long: what is looked at more than once.
  add_uri("many-parameters", "/search?", "a=1&");
  add_uri("encoded-twice", "/", "%2525");
  add_uri("climbing-path", "/a", "/../a/./");
  add_uri("near-miss-uri", "/?q=", "/admi/../etc/passw");
  add_header("many-cookies", "cookie", "", "a=b; ");
  add_header("near-miss-agent", "user-agent", "Mozilla/5.0 ", "sqlma nikt nma badbo ");
  RequestView& many = add("two-hundred-headers", "/");
  std::vector<HeaderView>& headers = headers_.emplace_back();
  for (std::size_t i = 0; i < kHeaders; ++i) headers.push_back({keep("x-h-" + std::to_string(i)), kHeaderValue});
  many.headers = headers;

  // Repetitive: the worst for matchers that go back, which only the last byte tells that they were wrong.
  const std::string ones = std::string(kBodyBytes - 1, 'a');
  add_body("one-byte-repeated", "text/plain", ones + "!");
  add_body("blanks", "text/plain", repeated("", " \t\n", kBodyBytes));
  add_body("near-miss-sql", "application/x-www-form-urlencoded",
           repeated("q=", "1'/**/unio+selec+fro+wher+1=+--+", kBodyBytes));
  add_body("near-miss-html", "text/html", repeated("", "<scrip <img onerro <a hre=javascrip:", kBodyBytes));
  add_body("no-utf8", "application/octet-stream", repeated("", "\xff\xc0\xed\xa0\x80\xf5", kBodyBytes));

  // Structured: deep, or in a thousand parts.
  add_body("nested-arrays", "application/json", nested("[", "]", kBodyBytes));
  add_body("nested-objects", "application/json", nested(R"({"a":)", "}", kBodyBytes));
  add_body("many-fields", "application/x-www-form-urlencoded", repeated("", "a=%41&", kBodyBytes));
  add_body("many-members", "application/json", repeated(R"({"a":0)", R"(,"k":"\u0041\\")", kBodyBytes - 1) + "}");
  add_body("many-parts", "multipart/form-data; boundary=b",
           repeated("", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n", kBodyBytes));
}

RequestView& CostRequests::add(std::string_view name, std::string_view uri) {
  all_.reserve(32);  // references returned below stay valid while the constructor runs
  RequestView request;
  request.method = "GET";
  request.uri = uri;
  request.version = "HTTP/1.1";
  request.source_ip = "192.0.2.10";  // documentation addresses, RFC 5737
  request.host = "www.example.org";
  request.server_ip = "198.51.100.1";
  request.request_id = "00000000000000000000000000000001";
  request.now_unix_ms = kTime;
  request.source_port = 50'000;
  request.server_port = 80;
  return all_.emplace_back(Sample{name, request}).request;
}

void CostRequests::add_uri(std::string_view name, std::string_view start, std::string_view piece) {
  add(name, keep(repeated(start, piece, kLineBytes)));
}

void CostRequests::add_header(std::string_view name, std::string_view header, std::string_view start,
                              std::string_view piece) {
  const HeaderView line{header, keep(repeated(start, piece, kLineBytes))};
  add(name, "/").headers = headers_.emplace_back(std::vector<HeaderView>{{"host", "www.example.org"}, line});
}

void CostRequests::add_body(std::string_view name, std::string_view type, std::string body) {
  RequestView& request = add(name, "/api/upload");
  request.method = "POST";
  request.headers = headers_.emplace_back(std::vector<HeaderView>{{"host", "www.example.org"}, {"content-type", type}});
  request.body = keep(std::move(body));
  request.body_total_len = request.body.size();
}

std::vector<std::string_view> cost_request_names() {
  const CostRequests requests;
  std::vector<std::string_view> names;
  for (const Sample& request : requests.all()) names.push_back(request.name);
  return names;
}

}  // namespace secbeat::engine
