// Credentials in files as the AWS tools write them.
#include "s3_credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace secbeat::archive {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFile =
    "# of the archive\n[other]\naws_access_key_id = OTHER\naws_secret_access_key=x\n\n[default]\r\n"
    "aws_access_key_id=AKID\n  aws_secret_access_key = se/cret+=\n[ third ]\naws_access_key_id = T\n"
    "aws_secret_access_key = t\naws_session_token = token==\n";

std::string credentials_fault(std::string_view text, std::string_view profile = "default") {
  const auto credentials = credentials_from_text(text, profile);
  return credentials ? "taken" : credentials.error().message;
}

TEST(S3Credentials, AreThoseOfTheSectionThatIsAskedFor) {
  EXPECT_EQ(*credentials_from_text(kFile, "default"), (Credentials{"AKID", "se/cret+="}));
  EXPECT_EQ(*credentials_from_text(kFile, "third"), (Credentials{"T", "t", "token=="}));
  EXPECT_EQ(credentials_fault(kFile, "fourth"), "there is no section [fourth]");
}

TEST(S3Credentials, ThatAreNotWholeAreToldWithoutASecret) {
  EXPECT_EQ(credentials_fault(""), "there is no section [default]");
  EXPECT_THAT(credentials_fault("[default]\naws_access_key_id = a\n"), HasSubstr("lacks aws_secret_access_key"));
  EXPECT_THAT(credentials_fault("[default]\naws_secret_access_key = TOPSECRET\n"),
              HasSubstr("lacks aws_access_key_id"));
  const std::string bad =
      credentials_fault("[default]\naws_access_key_id = a\naws_secret_access_key = TOP SECRET\x01\n");
  EXPECT_THAT(bad, HasSubstr("blanks or control characters"));
  EXPECT_THAT(bad, Not(HasSubstr("SECRET")));
  EXPECT_NE(
      credentials_fault("[default]\naws_access_key_id = a\naws_secret_access_key = " + std::string(9000, 's') + "\n"),
      "taken");
}

TEST(S3Credentials, OfAFileThatOthersMayReadAreRefused) {
  const std::string file = ::testing::TempDir() + "/s3-credentials";
  std::ofstream(file) << kFile;
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  const auto open = find_credentials(file);
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message, HasSubstr("mode 0600"));
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  const auto closed = find_credentials(file);
  ASSERT_TRUE(closed) << closed.error().message;
  EXPECT_EQ(closed->key_id, "AKID");
  std::filesystem::remove(file);
  EXPECT_THAT(find_credentials(file).error().message, HasSubstr("cannot open the credentials"));
}

}  // namespace
}  // namespace secbeat::archive
