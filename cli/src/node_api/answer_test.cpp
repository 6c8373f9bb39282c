#include "node_api/answer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace secbeat::cli {
namespace {

using ::testing::HasSubstr;

std::string nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += "{\"a\":";
  return text + "1" + std::string(static_cast<std::size_t>(depth), '}');
}

TEST(ParseAnswer, TakesOneObject) {
  EXPECT_TRUE(parse_answer("{}"));
  EXPECT_TRUE(parse_answer(nested(10)));
  for (const char* text : {"", "[]", "1", "null", "{", "{}{}", "<html>", "{\"a\":\"\xff\"}"}) {
    const auto answer = parse_answer(text);
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().code, ErrorCode::kProtocol);
  }
}

TEST(ParseAnswer, RefusesDepthWithoutRecursion) {
  EXPECT_THAT(parse_answer(nested(1000000)).error().message, HasSubstr("nested"));
  EXPECT_FALSE(parse_answer("{\"a\":" + std::string(1000000, '[')));
}

TEST(CheckShape, FindsFieldsInObjectsAndLists) {
  const Json answer = Json::parse(R"({"workers":{"serving":2},"rows":[{"name":"a"},{"name":null}],"none":[]})");
  EXPECT_TRUE(check_shape(answer, std::array<Field, 4>{{{"workers.serving", Kind::kNumber},
                                                        {"rows[].name", Kind::kTextOrNull},
                                                        {"none[].name", Kind::kText},
                                                        {"rows", Kind::kList}}}));
}

TEST(CheckShape, NamesWhatIsMissingOrOfAnotherKind) {
  const Json answer = Json::parse(R"({"a":"1","rows":[{"name":"a"},{}],"list":{}})");
  for (const Field& field : std::array<Field, 5>{{{"b", Kind::kText},
                                                  {"a", Kind::kNumber},
                                                  {"rows[].name", Kind::kText},
                                                  {"list[].x", Kind::kText},
                                                  {"a.b", Kind::kText}}}) {
    const auto shape = check_shape(answer, std::span(&field, 1));
    ASSERT_FALSE(shape) << field.path;
    EXPECT_THAT(shape.error().message, HasSubstr(std::string(field.path)));
  }
}

}  // namespace
}  // namespace secbeat::cli
