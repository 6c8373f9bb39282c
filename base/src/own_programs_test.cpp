#include "secbeat/base/own_programs.hpp"

#include <gtest/gtest.h>

namespace secbeat {
namespace {

TEST(OwnPrograms, AMissingOneIsToldWithThePlacesThatWereLookedAt) {
  const auto found = find_own_program("secbeat-no-such-program");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kConfig);
  EXPECT_NE(found.error().message.find("libexec/secbeat-no-such-program"), std::string::npos) << found.error().message;
}

// This test stands one folder below the build folder, as bin/ does.
TEST(OwnPrograms, OneOfThisBuildIsFoundBesideIt) {
  const auto found = find_own_program(kCompileProgram);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->filename(), kCompileProgram);
  EXPECT_EQ(found->parent_path().filename(), "libexec");
}

}  // namespace
}  // namespace secbeat
