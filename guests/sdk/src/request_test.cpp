#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secbeat/guest.hpp"
#include "std_view.hpp"

namespace secbeat::guest {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// A frame as docs/abi.md lays it out, written here a second time, apart from the host's writer.
class FrameBuilder {
 public:
  explicit FrameBuilder(const Headers& headers = {}) {
    frame_.magic = abi::kFrameMagic;
    frame_.fixed_len = sizeof(abi::Frame);
    frame_.headers_off = sizeof(abi::Frame);
    frame_.header_count = static_cast<std::uint32_t>(headers.size());
    bytes_.resize(sizeof(abi::Frame) + headers.size() * sizeof(abi::FrameHeaderField));
    for (std::size_t i = 0; i < headers.size(); ++i) {
      const abi::FrameHeaderField field{put(headers[i].first), put(headers[i].second)};
      std::memcpy(bytes_.data() + sizeof(abi::Frame) + i * sizeof field, &field, sizeof field);
    }
    frame_.method = put("GET");
    frame_.source_ip = put("192.0.2.7");
    uri("/");
  }

  FrameBuilder& uri(std::string_view text) { return frame_.uri = put(text), *this; }
  FrameBuilder& body(std::string_view text) { return frame_.body = put(text), *this; }
  abi::Frame& fixed() { return frame_; }

  // Exactly as long as it must be, so that a sanitizer sees each byte that is read behind it.
  struct Bytes {
    std::vector<char> data;
    [[nodiscard]] Request request() const { return {data.data(), data.size()}; }
  };
  [[nodiscard]] Bytes build() const {
    Bytes out{std::vector<char>(bytes_.begin(), bytes_.end())};
    abi::Frame frame = frame_;
    if (frame.total_len == 0) frame.total_len = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(out.data.data(), &frame, sizeof frame);
    return out;
  }

 private:
  abi::Span put(std::string_view text) {
    const abi::Span span{static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size())};
    bytes_.append(text);
    return span;
  }

  abi::Frame frame_{};
  std::string bytes_;
};

// Reads everything that a rule can read.
std::size_t read_all(const Request& request) {
  std::size_t sum = 0;
  const auto add = [&sum](StringView text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  for (const StringView text : {request.method(), request.uri(), request.version(), request.source_ip(), request.host(),
                                request.body(), request.server_ip(), request.request_id(), request.path(),
                                request.query(), request.header("user-agent"), request.cookie("id")}) {
    add(text);
  }
  for (const Header header : request) add(header.name), add(header.value);
  return sum + request.flags() + request.source_port() + request.now_unix_ms() + request.body_total_len();
}

TEST(Request, ReadsEveryField) {
  FrameBuilder builder;
  builder.uri("/shop?q=1").body("a=b");
  builder.fixed().flags = abi::kTls | abi::kHttp2;
  builder.fixed().now_unix_ms = 0x1'0000'0002;
  builder.fixed().body_total_len = abi::kBodyLengthUnknown;
  builder.fixed().source_port = 4711;
  const auto bytes = builder.build();
  const Request request = bytes.request();
  ASSERT_TRUE(request.valid());
  EXPECT_EQ(std_view(request.method()), "GET");
  EXPECT_EQ(std_view(request.uri()), "/shop?q=1");
  EXPECT_EQ(std_view(request.source_ip()), "192.0.2.7");
  EXPECT_EQ(std_view(request.body()), "a=b");
  EXPECT_EQ(std_view(request.host()), "");
  EXPECT_EQ(request.flags(), abi::kTls | abi::kHttp2);
  EXPECT_EQ(request.now_unix_ms(), 0x1'0000'0002U);
  EXPECT_EQ(request.body_total_len(), abi::kBodyLengthUnknown);
  EXPECT_EQ(request.source_port(), 4711U);
}

TEST(Request, SplitsTheUriIntoPathAndQuery) {
  struct Case {
    std::string_view uri, path, query;
  };
  for (const Case& c : std::initializer_list<Case>{{"/a/b?c=d?e", "/a/b", "c=d?e"},
                                                   {"/a", "/a", ""},
                                                   {"/a?", "/a", ""},
                                                   {"/a#f?g", "/a", ""},
                                                   {"/a?b#c", "/a", "b"},
                                                   {"?b", "", "b"},
                                                   {"*", "*", ""},
                                                   {"http://host/a?b", "/a", "b"},
                                                   {"http://host", "", ""},
                                                   {"/redirect?to=http://host/x", "/redirect", "to=http://host/x"},
                                                   {"", "", ""}}) {
    const auto bytes = FrameBuilder().uri(c.uri).build();
    EXPECT_EQ(std_view(bytes.request().path()), c.path) << c.uri;
    EXPECT_EQ(std_view(bytes.request().query()), c.query) << c.uri;
  }
}

TEST(Request, IteratesHeadersInTheirOrder) {
  const auto bytes = FrameBuilder({{"host", "a"}, {"accept", "x"}, {"accept", "y"}, {"x-empty", ""}}).build();
  const Request request = bytes.request();
  std::string seen;
  for (const Header header : request) {
    seen.append(std_view(header.name)).append("=").append(std_view(header.value)).append(";");
  }
  EXPECT_EQ(seen, "host=a;accept=x;accept=y;x-empty=;");
  EXPECT_EQ(std_view(request.header("accept")), "x");
  EXPECT_EQ(std_view(request.header("missing")), "");
  EXPECT_TRUE(request.has_header("x-empty"));
  EXPECT_FALSE(request.has_header("missing"));
}

TEST(Request, FindsCookiesInEveryCookieHeader) {
  const auto bytes = FrameBuilder({{"cookie", "a=1; session=x=y;  bare"}, {"cookie", "late=2"}}).build();
  const Request request = bytes.request();
  EXPECT_EQ(std_view(request.cookie("a")), "1");
  EXPECT_EQ(std_view(request.cookie("session")), "x=y");
  EXPECT_EQ(std_view(request.cookie("late")), "2");
  EXPECT_EQ(std_view(request.cookie("bare")), "");
  EXPECT_EQ(std_view(request.cookie("ession")), "");
}

TEST(Request, AcceptsALongerFixedPart) {
  FrameBuilder builder;
  builder.fixed().fixed_len = sizeof(abi::Frame) + 8;
  const auto bytes = builder.build();
  EXPECT_TRUE(bytes.request().valid());
  EXPECT_EQ(std_view(bytes.request().method()), "GET");
}

TEST(Request, SeesWhatIsNoFrame) {
  const auto with = [](auto change) {
    FrameBuilder builder;
    change(builder.fixed());
    return builder.build();
  };
  EXPECT_FALSE(with([](abi::Frame& f) { f.magic = 0x31524253; }).request().valid());
  EXPECT_FALSE(with([](abi::Frame& f) { f.fixed_len = sizeof(abi::Frame) - 1; }).request().valid());
  EXPECT_FALSE(with([](abi::Frame& f) { f.fixed_len = 0xFFFF'FFFF; }).request().valid());
  EXPECT_FALSE(with([](abi::Frame& f) { f.total_len = 8; }).request().valid());
  EXPECT_FALSE(Request(nullptr, 0).valid());
  EXPECT_EQ(read_all(Request(nullptr, 0)), 0U);
}

TEST(Request, ReadsTextOutsideTheFrameAsEmpty) {
  for (const abi::Span span : {abi::Span{0xFFFF'FFFF, 1}, abi::Span{0, 0xFFFF'FFFF}, abi::Span{0xFFFF'FFF0, 0x20},
                               abi::Span{sizeof(abi::Frame), 1000}, abi::Span{100'000, 0}}) {
    FrameBuilder builder;
    builder.fixed().uri = span;
    builder.fixed().body = span;
    const auto bytes = builder.build();
    ASSERT_TRUE(bytes.request().valid());
    EXPECT_TRUE(bytes.request().uri().empty());
    EXPECT_TRUE(bytes.request().body().empty());
    EXPECT_TRUE(bytes.request().path().empty());
    EXPECT_EQ(std_view(bytes.request().method()), "GET");
  }
}

TEST(Request, HasNoHeadersWhereTheTableReachesOutside) {
  struct Table {
    std::uint32_t count, off;
  };
  for (const Table table : {Table{0xFFFF'FFFF, sizeof(abi::Frame)}, Table{0x1000'0000, 0xFFFF'FFF0},
                            Table{1, 0xFFFF'FFFF}, Table{100, sizeof(abi::Frame)}}) {
    FrameBuilder builder(Headers{{"user-agent", "Nikto"}});
    builder.fixed().header_count = table.count;
    builder.fixed().headers_off = table.off;
    const auto bytes = builder.build();
    EXPECT_EQ(bytes.request().header_count(), 0U);
    EXPECT_FALSE(bytes.request().has_header("user-agent"));
    read_all(bytes.request());
  }
}

TEST(Request, TrustsTheShorterOfBothLengths) {
  FrameBuilder builder;
  builder.uri("/admin");
  const auto whole = builder.build();
  builder.fixed().total_len = static_cast<std::uint32_t>(whole.data.size() - 1);
  const auto shorter = builder.build();
  EXPECT_TRUE(shorter.request().uri().empty());
  builder.fixed().total_len = 0xFFFF'FFFF;
  const auto longer = builder.build();
  EXPECT_EQ(std_view(longer.request().uri()), "/admin");
}

TEST(Request, ReadsNoByteOutsideOfRandomlyDamagedFrames) {
  std::mt19937 random(20251124);  // NOLINT: the same damage every time
  FrameBuilder builder({{"user-agent", "Mozilla"}, {"cookie", "id=5; x=y"}});
  builder.uri("/a/b?c").body("body");
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = builder.build();
    for (int change = 0; change < 4; ++change) {
      // Aligned words, because they hold the lengths and offsets.
      const std::size_t at = random() % (bytes.data.size() / 4) * 4;
      const auto value = static_cast<std::uint32_t>(random() >> (random() % 32));
      std::memcpy(bytes.data.data() + at, &value, sizeof value);
    }
    read_all(Request(bytes.data.data(), round % 2 == 0 ? bytes.data.size() : random() % bytes.data.size()));
  }
}

TEST(Decision, CarriesRuleAndMessage) {
  EXPECT_EQ(allow().verdict, Verdict::kAllow);
  EXPECT_EQ(block("r", "m").verdict, Verdict::kBlock);
  EXPECT_EQ(log_only("r", "m").verdict, Verdict::kLog);
  EXPECT_EQ(std_view(rate_limit("r", "m").rule), "r");
  EXPECT_EQ(std_view(rate_limit("r", "m").message), "m");
}

}  // namespace
}  // namespace secbeat::guest
