#include "secbeat/http/form.hpp"

#include <gmock/gmock.h>

#include <array>

namespace secbeat::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::array<std::string_view, 3> kKnown = {"name", "to_version", "reason"};

HttpRequest request_of(const std::string& type, const std::string& body) {
  HttpRequest request;
  request.headers["content-type"] = type;
  request.body = body;
  return request;
}

OrRefusal<Form> read(const std::string& type, const std::string& body) {
  return read_any_form(request_of(type, body), kKnown);
}

std::string code_of_refusal(const HttpResponse& response) { return Json::parse(response.body)["code"]; }
std::string error_of_refusal(const HttpResponse& response) { return Json::parse(response.body)["error"]; }

TEST(AnyForm, ReadsTheSameFieldsInEachFormat) {
  const Form expected{{"name", "waf"}, {"reason", "a b&c"}};
  const auto json = read("application/json", R"({"name":"waf","reason":"a b&c","to_version":null})");
  const auto url_encoded = read("Application/X-WWW-Form-Urlencoded; charset=utf-8", "name=waf&reason=a+b%26c");
  const auto multipart = read("multipart/form-data; boundary=B",
                              "--B\r\nContent-Disposition: form-data; name=name\r\n\r\nwaf\r\n"
                              "--B\r\nContent-Disposition: form-data; name=reason\r\n\r\na b&c\r\n--B--\r\n");
  ASSERT_TRUE(json);
  ASSERT_TRUE(url_encoded);
  ASSERT_TRUE(multipart);
  EXPECT_EQ(*json, expected);
  EXPECT_EQ(*url_encoded, expected);
  EXPECT_EQ(*multipart, expected);
}

TEST(AnyForm, HasNoFieldsWhereTheBodyIsEmpty) {
  for (const char* type :
       {"", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=B"}) {
    const auto form = read(type, "");
    ASSERT_TRUE(form) << type;
    EXPECT_TRUE(form->empty());
  }
}

struct BadForm {
  const char* type;
  const char* body;
  const char* code;
  const char* error;
};

constexpr const char* kJson = "application/json";
constexpr const char* kUrlEncoded = "application/x-www-form-urlencoded";

TEST(AnyForm, RefusesWhatItCannotTakeAtItsWord) {
  const BadForm table[] = {
      {kJson, "{", "bad_json", "Malformed JSON at byte 1: syntax error"},
      {kJson, "{\"name\":\"a\"} x", "bad_json", "Malformed JSON at byte 13: syntax error"},
      {kJson, "{\"name\":\"\xFF\"}", "bad_json", "Malformed JSON at byte 9: "},
      {kJson, "{\"name\":\"\xFF\"}", "bad_json", "ill-formed UTF-8 byte"},
      {kJson, "{\"name\":\"\\ud800\"}", "bad_json", "surrogate"},
      {kJson, "{\"name\":1e999}", "bad_json", "Malformed JSON: a number is out of range"},
      {kJson, "[]", "bad_json", "must be a JSON object"},
      {kJson, "null", "bad_json", "must be a JSON object"},
      {kJson, "{\"name\":1}", "bad_request", "\"name\" must be a string"},
      {kJson, "{\"name\":{\"a\":{}}}", "bad_request", "\"name\" must be a string"},
      {kJson, "{\"nmae\":\"a\"}", "unknown_field", "Unknown JSON key \"nmae\"; known are name, to_version, reason"},
      {kJson, "{\"nmae\":null}", "unknown_field", "Unknown JSON key \"nmae\""},
      {kJson, "{\"name\":\"a\",\"name\":\"b\"}", "bad_json", "The JSON key \"name\" is given twice"},
      {kUrlEncoded, "nmae=a", "unknown_field", "Unknown form field \"nmae\"; known are name, to_version, reason"},
      {kUrlEncoded, "name=a&name=b", "bad_request", "The form field \"name\" is given twice"},
      {kUrlEncoded, "name=a&reason=%4", "bad_request", "Malformed form at byte 14: "},
      {kUrlEncoded, "name=%zz", "bad_request", "Malformed form at byte 5: "},
      {kUrlEncoded, "name", "", ""},
  };
  for (const BadForm& row : table) {
    const auto form = read(row.type, row.body);
    if (std::string_view(row.code).empty()) {
      EXPECT_TRUE(form) << row.body;
      continue;
    }
    ASSERT_FALSE(form) << row.body;
    EXPECT_EQ(form.error().status, 400);
    EXPECT_EQ(code_of_refusal(form.error()), row.code) << row.body;
    EXPECT_THAT(error_of_refusal(form.error()), HasSubstr(row.error));
  }
}

TEST(AnyForm, SurvivesDeepNesting) {
  const std::string deep = "{\"name\":" + std::string(60000, '[');
  const auto open = read(kJson, deep);
  ASSERT_FALSE(open);
  const auto closed = read(kJson, deep + std::string(60000, ']') + "}");
  ASSERT_FALSE(closed);
  EXPECT_EQ(code_of_refusal(closed.error()), "bad_request");
}

TEST(TakeText, WantsPlainTextOfBoundedLength) {
  const auto take_of = [](std::string value) {
    Form form{{"reason", std::move(value)}};
    return take_text(form, "reason", 8);
  };
  EXPECT_EQ(take_of("größe").value(), "größe");
  for (const char* bad : {"", "123456789", "a\nb", "a\xFF"}) EXPECT_FALSE(take_of(bad)) << bad;
  EXPECT_THAT(error_of_refusal(take_of("a\xFF").error()), HasSubstr("byte 1 is 0xff"));
  Form empty;
  EXPECT_EQ(take_text(empty, "reason", 8).value(), std::nullopt);
}

TEST(TakeBoolean, IsTrueOrFalseAndNothingElse) {
  const auto take_of = [](std::string value) {
    Form form{{"force", std::move(value)}};
    return take_boolean(form, "force");
  };
  EXPECT_TRUE(take_of("true").value());
  EXPECT_FALSE(take_of("false").value());
  for (const char* bad : {"", "1", "yes", "True", "true ", "TRUE"}) EXPECT_FALSE(take_of(bad)) << bad;
}

TEST(Configuration, IsJsonInUtf8) {
  EXPECT_TRUE(check_configuration(R"({"rules":[{"id":"größe"}]})"));
  const std::pair<std::string, const char*> table[] = {
      {"", "is empty"},
      {"{\"a\":}", "Malformed configuration at byte 5: "},
      {"{\"a\":\"\xFE\"}", "Malformed configuration at byte 6: "},
      {"not json", "Malformed configuration at byte 1: "},
      {"{\"limit\":-1e999}", "Malformed configuration: a number is out of range"},
  };
  for (const auto& [text, error] : table) {
    const auto checked = check_configuration(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(code_of_refusal(checked.error()), "bad_config_json");
    EXPECT_THAT(error_of_refusal(checked.error()), HasSubstr(error));
  }
  EXPECT_FALSE(check_configuration(std::string(500000, '[')));
  EXPECT_TRUE(check_configuration(std::string(500000, '[') + std::string(500000, ']')));
}

TEST(Since, IsAMomentOrSecondsBack) {
  const SystemTime now{1763946003s};
  EXPECT_EQ(read_since("60", now).value(), now - 60s);
  EXPECT_EQ(read_since("0", now).value(), now);
  EXPECT_EQ(read_since("2025-11-24T01:00:00Z", now).value(), now - 3s);
  for (const char* bad : {"", "-1", "yesterday", "1.5", "99999999999", "2025-11-24"})
    EXPECT_FALSE(read_since(bad, now)) << bad;
}

}  // namespace
}  // namespace secbeat::http
