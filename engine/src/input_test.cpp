// What a guest reads: the frame of ABI 2, the JSON of ABI 1, and the text repairs they share.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "frame_writer.hpp"
#include "json_input.hpp"
#include "testing.hpp"
#include "utf8.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine {
namespace {

using testing::browser_get;

std::vector<std::byte> frame_of(const RequestView& request) {
  std::vector<std::byte> frame(frame_size(request).value());
  write_frame(request, frame);
  return frame;
}

template <class T>
T read_at(const std::vector<std::byte>& frame, std::size_t offset) {
  T value;
  std::memcpy(&value, frame.data() + offset, sizeof value);
  return value;
}

std::string_view text_at(const std::vector<std::byte>& frame, abi::Span place) {
  EXPECT_LE(std::size_t{place.off} + place.len, frame.size());
  return {reinterpret_cast<const char*>(frame.data()) + place.off, place.len};
}

TEST(Frame, HoldsEveryFieldOfTheRequest) {
  RequestView request = browser_get();
  request.body = std::string_view("\0body\xff", 6);
  request.body_total_len = 9'000'000'000;
  request.flags = abi::kTls | abi::kBodyTruncated;
  const auto frame = frame_of(request);
  const auto fixed = read_at<abi::Frame>(frame, 0);
  EXPECT_EQ(fixed.magic, abi::kFrameMagic);
  EXPECT_EQ(std::memcmp(frame.data(), "SBR2", 4), 0);
  EXPECT_EQ(fixed.total_len, frame.size());
  EXPECT_EQ(fixed.fixed_len, sizeof(abi::Frame));
  EXPECT_EQ(fixed.flags, request.flags);
  EXPECT_EQ(fixed.now_unix_ms, request.now_unix_ms);
  EXPECT_EQ(fixed.body_total_len, request.body_total_len);
  EXPECT_EQ(text_at(frame, fixed.method), request.method);
  EXPECT_EQ(text_at(frame, fixed.uri), request.uri);
  EXPECT_EQ(text_at(frame, fixed.version), request.version);
  EXPECT_EQ(text_at(frame, fixed.source_ip), request.source_ip);
  EXPECT_EQ(text_at(frame, fixed.host), request.host);
  EXPECT_EQ(text_at(frame, fixed.body), request.body);
  EXPECT_EQ(text_at(frame, fixed.server_ip), request.server_ip);
  EXPECT_EQ(text_at(frame, fixed.request_id), request.request_id);
  EXPECT_EQ(fixed.source_port, request.source_port);
  EXPECT_EQ(fixed.server_port, request.server_port);
  EXPECT_EQ(fixed.headers_off % 4, 0U);
  ASSERT_EQ(fixed.header_count, request.headers.size());
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const auto field = read_at<abi::FrameHeaderField>(frame, fixed.headers_off + i * sizeof(abi::FrameHeaderField));
    EXPECT_EQ(text_at(frame, field.name), request.headers[i].name);
    EXPECT_EQ(text_at(frame, field.value), request.headers[i].value);
  }
}

TEST(Frame, OfAnEmptyRequestIsItsFixedPart) {
  const auto frame = frame_of(RequestView{});
  EXPECT_EQ(frame.size(), sizeof(abi::Frame));
  EXPECT_EQ(read_at<abi::Frame>(frame, 0).header_count, 0U);
}

TEST(Frame, HasNoSizeWhereItsOffsetsWouldNotFit) {
  // The view is not read: only its length counts here.
  RequestView request;
  request.body = std::string_view("x", 1);
  request.body = std::string_view(request.body.data(), (std::size_t{1} << 32U) - sizeof(abi::Frame));
  EXPECT_FALSE(frame_size(request));
  request.body.remove_suffix(1);
  EXPECT_EQ(frame_size(request), 0xFFFFFFFFU);
}

nlohmann::json json_of(const RequestView& request) { return nlohmann::json::parse(JsonInput().write(request)); }

TEST(JsonInput, EscapesWhatJsonCannotHold) {
  RequestView request;
  std::string all;
  for (int byte = 0; byte < 0x80; ++byte) all += static_cast<char>(byte);
  request.uri = all;
  EXPECT_EQ(json_of(request).at("uri"), all);
}

TEST(JsonInput, HoldsEveryByteAtEveryPlace) {
  for (std::size_t place = 0; place < 18; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text(18, 'a');
      text[place] = static_cast<char>(byte);
      RequestView request;
      request.uri = text;
      JsonInput input;
      std::string expected = text;
      if (byte >= 0x80) expected.replace(place, 1, "\xEF\xBF\xBD");
      EXPECT_EQ(nlohmann::json::parse(input.write(request)).at("uri"), expected) << place << ' ' << byte;
    }
  }
}

TEST(JsonInput, ReplacesBytesThatAreNoUtf8) {
  RequestView request;
  request.body = "a\xff\xc3\xa4\xe2\x82";
  request.uri = "\xed\xa0\x80";
  EXPECT_EQ(json_of(request).at("body"), "a\uFFFDä\uFFFD\uFFFD");
  EXPECT_EQ(json_of(request).at("uri"), "\uFFFD\uFFFD\uFFFD");
}

TEST(JsonInput, JoinsRepeatedHeadersInTheirOrder) {
  const std::vector<HeaderView> headers = {{"x-a", "3"},      {"cookie", "a=1"}, {"accept", "\"q\""}, {"x-a", "1"},
                                           {"cookie", "b=2"}, {"x-a", ""},       {"", "nameless"}};
  RequestView request;
  request.headers = headers;
  const auto seen = json_of(request).at("headers");
  EXPECT_EQ(seen.at("x-a"), "3, 1, ");
  EXPECT_EQ(seen.at("cookie"), "a=1; b=2");
  EXPECT_EQ(seen.at("accept"), "\"q\"");
  EXPECT_EQ(seen.at(""), "nameless");
  EXPECT_EQ(seen.size(), 4U);
}

TEST(JsonInput, HoldsNothingOfTheRequestBefore) {
  JsonInput input;
  input.write(browser_get());
  const auto second = nlohmann::json::parse(input.write(RequestView{}));
  EXPECT_EQ(second.at("uri"), "");
  EXPECT_TRUE(second.at("headers").empty());
}

TEST(Utf8, KnowsTheLengthOfEachCharacter) {
  for (const auto& [text, length] : std::vector<std::pair<std::string_view, std::size_t>>{{"a", 1},
                                                                                          {"\x7f", 1},
                                                                                          {"\xc2\x80", 2},
                                                                                          {"\xdf\xbf", 2},
                                                                                          {"\xe0\xa0\x80", 3},
                                                                                          {"\xed\x9f\xbf", 3},
                                                                                          {"\xee\x80\x80", 3},
                                                                                          {"\xef\xbf\xbf", 3},
                                                                                          {"\xf0\x90\x80\x80", 4},
                                                                                          {"\xf4\x8f\xbf\xbf", 4}}) {
    EXPECT_EQ(utf8_length(text), length) << text;
  }
  for (const std::string_view text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xe2\x82\x41", "\xf0\x90\x80\x41"}) {
    EXPECT_EQ(utf8_length(text), 0U);
  }
}

TEST(Utf8, CutsBetweenCharacters) {
  EXPECT_EQ(repaired_utf8("aä", 3), "aä");
  EXPECT_EQ(repaired_utf8("aä", 2), "a");
  EXPECT_EQ(repaired_utf8("\xff\xff", 5), "\uFFFD");
  EXPECT_EQ(repaired_utf8("", 5), "");
}

TEST(Reason, IsOneLineOfCausesWithoutTheBacktrace) {
  EXPECT_EQ(causes_in_one_line("unexpected end (at offset 0x8)"), "unexpected end (at offset 0x8)");
  EXPECT_EQ(causes_in_one_line(
                "error while executing at wasm backtrace:\n    0:   0x24 - m!f\n\nCaused by:\n    wasm trap: x"),
            "wasm trap: x");
  EXPECT_EQ(causes_in_one_line("top\n\nCaused by:\n    0: one\n    1: two\n\nStack backtrace:\n   0: f"), "one: two");
  EXPECT_EQ(causes_in_one_line("top\nCaused by:\n"), "top");
  EXPECT_EQ(causes_in_one_line(std::string(5000, 'x')).size(), kMaxMessageBytes);
  EXPECT_EQ(causes_in_one_line(""), "");
}

}  // namespace
}  // namespace secbeat::engine
