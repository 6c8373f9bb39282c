#include "secbeat/base/text.hpp"

#include <gtest/gtest.h>

namespace secbeat {
namespace {

TEST(Printable, ShowsWhatATerminalCouldMistake) {
  EXPECT_EQ(printable("a b"), "a b");
  EXPECT_EQ(printable("\x1b[2J\n"), "\\x1b[2J\\x0a");
  EXPECT_EQ(printable("\xc3\xa4"), "\\xc3\\xa4");
}

TEST(Printable, IsBounded) { EXPECT_LT(printable(std::string(10000, 'x')).size(), 100U); }

}  // namespace
}  // namespace secbeat
