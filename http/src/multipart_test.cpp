#include "secbeat/http/multipart.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace secbeat::http {
namespace {

std::string part(std::string_view headers, std::string_view body) {
  return fmt::format("--B\r\n{}\r\n\r\n{}\r\n", headers, body);
}
std::string named(std::string_view name, std::string_view body) {
  return part(fmt::format("Content-Disposition: form-data; name=\"{}\"", name), body);
}

TEST(Multipart, GivesPartsInTheirOrderWithTheirBytes) {
  const std::string binary("\0asm\r\n--\r\n-B\xFF", 14);
  const std::string body =
      part("Content-Disposition: form-data; name=\"file\"; filename=\"a b.wasm\"\r\nContent-Type: application/wasm",
           binary) +
      named("reason", "") + "--B--\r\n";
  const auto parts = parse_multipart(body, "B");
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].name, "file");
  EXPECT_EQ((*parts)[0].filename, "a b.wasm");
  EXPECT_EQ((*parts)[0].body, binary);
  EXPECT_EQ((*parts)[1].name, "reason");
  EXPECT_EQ((*parts)[1].filename, std::nullopt);
  EXPECT_EQ((*parts)[1].body, "");
}

TEST(Multipart, AcceptsWhatClientsVary) {
  for (const std::string& body : {
           named("a", "1") + "--B--",                                                        // no final line break
           "\r\n" + named("a", "1") + "--B--\r\n",                                           // a line before the first
           part("content-disposition:form-data;name=a", "1") + "--B--\r\n",                  // bare token
           part("Content-Disposition: Form-Data ; NAME=\"a\"; x=y", "1") + "--B--\r\n",      // spaces, case, unknown
           part("X-Other: 1\r\nContent-Disposition: form-data; name=\"a\"", "1") + "--B--",  // other headers
           part("Content-Transfer-Encoding: Binary\r\nContent-Disposition: form-data; name=a", "1") + "--B--",
       }) {
    const auto parts = parse_multipart(body, "B");
    ASSERT_TRUE(parts) << body << parts.error().message;
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ(parts->front().name, "a");
    EXPECT_EQ(parts->front().body, "1");
  }
}

TEST(Multipart, UnescapesQuotedNames) {
  const auto parts =
      parse_multipart(part(R"(Content-Disposition: form-data; name="a\"b\\c"; filename="C:\x")", "1") + "--B--", "B");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->front().name, "a\"b\\c");
  EXPECT_EQ(parts->front().filename, "C:\\x");
}

struct Hostile {
  std::string what;
  std::string body;
  std::string error;
};

class HostileMultipart : public testing::TestWithParam<Hostile> {};

TEST_P(HostileMultipart, IsRefusedWithThePlace) {
  const auto parts = parse_multipart(GetParam().body, "B");
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().code, ErrorCode::kBadMultipart);
  EXPECT_EQ(parts.error().message, "Malformed multipart body at byte " + GetParam().error);
}

std::string many(std::size_t count, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    Table, HostileMultipart,
    testing::Values(
        Hostile{"empty", "", "0: expected the boundary that Content-Type names"},
        Hostile{"other_boundary", "--C\r\n", "0: expected the boundary that Content-Type names"},
        Hostile{"preamble", "text\r\n--B--\r\n", "0: expected the boundary that Content-Type names"},
        Hostile{"nothing_after_boundary", "--B", "3: expected a line break or \"--\" after a boundary"},
        Hostile{"longer_boundary", "--Bx\r\n", "3: expected a line break or \"--\" after a boundary"},
        Hostile{"lone_line_feed", "--B\nContent-Disposition: form-data; name=a\n\n1\n--B--\n",
                "3: expected a line break or \"--\" after a boundary"},
        Hostile{"no_part", "--B--\r\n", "7: there is no part"},
        Hostile{"epilogue", named("a", "1") + "--B--\r\nmore", "59: bytes after the closing boundary"},
        Hostile{"ends_in_headers", "--B\r\nContent-Disp", "17: the body ends within a part's headers"},
        Hostile{"ends_in_body", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n12345",
                "52: the body ends before the closing boundary"},
        Hostile{"ends_before_closing", named("a", "1"), "52: the body ends before the closing boundary"},
        Hostile{"no_disposition", part("Content-Type: text/plain", "1") + "--B--",
                "5: a part has no Content-Disposition"},
        Hostile{"no_headers", "--B\r\n\r\n1\r\n--B--", "5: a part has no Content-Disposition"},
        Hostile{"two_dispositions",
                part("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b", "1") + "--B--",
                "45: a part has two Content-Disposition headers"},
        Hostile{"attachment", part("Content-Disposition: attachment; name=a", "1") + "--B--",
                "26: expected Content-Disposition: form-data"},
        Hostile{"no_name", part("Content-Disposition: form-data; filename=a", "1") + "--B--", "26: a part has no name"},
        Hostile{"empty_name", named("", "1") + "--B--", "26: a part's name must have 1 to 128 bytes"},
        Hostile{"two_names", part("Content-Disposition: form-data; name=a; name=b", "1") + "--B--",
                "26: a part has two names"},
        Hostile{"two_file_names", part("Content-Disposition: form-data; name=a; filename=a; filename=b", "1") + "--B--",
                "26: a part has two file names"},
        Hostile{"long_name", named(std::string(129, 'n'), "1") + "--B--", "26: a part's name must have 1 to 128 bytes"},
        Hostile{"open_quote", part("Content-Disposition: form-data; name=\"a", "1") + "--B--",
                "44: a quoted value does not end"},
        Hostile{"no_value", part("Content-Disposition: form-data; name=", "1") + "--B--",
                "42: a parameter has no value"},
        Hostile{"no_equals", part("Content-Disposition: form-data; name", "1") + "--B--",
                "41: expected '=' after a parameter's name"},
        Hostile{"final_semicolon", part("Content-Disposition: form-data; name=a;", "1") + "--B--",
                "44: expected the name of a parameter"},
        Hostile{"no_semicolon", part("Content-Disposition: form-data; name=\"a\" b=c", "1") + "--B--",
                "46: expected ';' between parameters"},
        Hostile{"no_colon", part("Content-Disposition", "1") + "--B--", "5: expected a header line \"Name: value\""},
        Hostile{"folded", part("Content-Disposition: form-data;\r\n name=a", "1") + "--B--",
                "36: expected the name of a parameter"},
        Hostile{"space_before_colon", part("Content-Disposition : form-data; name=a", "1") + "--B--",
                "5: expected a header line \"Name: value\""},
        Hostile{"control_character", part("Content-Disposition: form-data; name=\"a\x01\"", "1") + "--B--",
                "5: a control character in a header"},
        Hostile{"carriage_return_in_header", part("Content-Disposition: form-data; name=\"a\rb\"", "1") + "--B--",
                "5: a control character in a header"},
        Hostile{"base64",
                part("Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=a", "1") + "--B--",
                "5: Content-Transfer-Encoding is not supported; send the bytes as they are"},
        Hostile{"boundary_in_body_start", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n--B--\r\n",
                "47: a boundary where a part's body begins"},
        Hostile{"boundary_prefix_in_body", named("a", "1\r\n--Bx"),
                "55: expected a line break or \"--\" after a boundary"},
        Hostile{"too_many_parts", many(33, named("a", "")) + "--B--",
                fmt::format("{}: more than 32 parts", 32 * named("a", "").size() + 5)},
        Hostile{"too_many_headers", part(many(9, "X: y\r\n") + "Z: z", "1"), "53: a part has more than 8 headers"},
        Hostile{"too_long_headers", part("X: " + std::string(5000, 'x'), "1"),
                "5: a part's headers are longer than 4096 bytes"},
        Hostile{"endless_header", "--B\r\n" + std::string(100000, 'x'),
                "5: a part's headers are longer than 4096 bytes"}),
    [](const auto& row) { return row.param.what; });

TEST(MultipartBoundary, IsReadFromContentType) {
  const std::pair<const char*, const char*> table[] = {
      {"multipart/form-data; boundary=abc", "abc"},
      {"Multipart/Form-Data;boundary=\"a b\"", "a b"},
      {"multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundaryx1", "----WebKitFormBoundaryx1"},
      {"multipart/form-data; boundary===_Part/5:1?", "==_Part/5:1?"},
  };
  for (const auto& [value, expected] : table) {
    const auto boundary = multipart_boundary(value);
    ASSERT_TRUE(boundary) << value << ": " << boundary.error().message;
    EXPECT_EQ(*boundary, expected);
  }
}

TEST(MultipartBoundary, IsRefusedWhereItIsNotOne) {
  const std::string too_long(71, 'b');
  const std::pair<std::string, ErrorCode> table[] = {
      {"", ErrorCode::kUnsupportedMediaType},
      {"text/plain", ErrorCode::kUnsupportedMediaType},
      {"multipart/mixed; boundary=a", ErrorCode::kUnsupportedMediaType},
      {"multipart/form-data", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=\"\"", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=\"a \"", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=\"a", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=a; boundary=b", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=\"a\r\nb\"", ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=" + too_long, ErrorCode::kBadMultipart},
      {"multipart/form-data; boundary=a b", ErrorCode::kBadMultipart},
  };
  for (const auto& [value, code] : table) {
    const auto boundary = multipart_boundary(value);
    ASSERT_FALSE(boundary) << value;
    EXPECT_EQ(boundary.error().code, code) << value;
  }
}

}  // namespace
}  // namespace secbeat::http
