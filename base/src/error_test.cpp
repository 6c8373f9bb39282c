#include "secbeat/base/error.hpp"

#include <gtest/gtest.h>

#include <set>

namespace secbeat {
namespace {

constexpr ErrorCode kAll[] = {
#define SECBEAT_X(enumerator, word, status) ErrorCode::enumerator,
    SECBEAT_ERROR_CODES(SECBEAT_X)
#undef SECBEAT_X
};

TEST(ErrorCodes, EveryWordIsUniqueAndLeadsBackToItsCode) {
  std::set<std::string_view> words;
  for (const ErrorCode code : kAll) {
    EXPECT_TRUE(words.insert(word_of(code)).second) << word_of(code);
    EXPECT_EQ(code_of(word_of(code)), code);
  }
}

TEST(ErrorCodes, EveryStatusIsAnErrorStatus) {
  for (const ErrorCode code : kAll) {
    EXPECT_GE(http_status_of(code), 400);
    EXPECT_LT(http_status_of(code), 600);
  }
}

TEST(ErrorCodes, AnUnknownWordIsInternal) { EXPECT_EQ(code_of("no_such_code"), ErrorCode::kInternal); }

}  // namespace
}  // namespace secbeat
