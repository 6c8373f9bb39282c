// What a fleet has rehearsed on this node is not compiled again when it comes into force.
#include <gtest/gtest.h>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

class RehearsedTest : public testing::NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    ASSERT_TRUE(bring("first", Mode::kApply));
  }
  Outcome<ReloadResult> bring(const std::string& salt, Mode mode, UploadKind kind = UploadKind::kFleet) {
    Upload upload;
    upload.kind = kind;
    upload.mode = mode;
    upload.file = testing::wasm({.salt = salt});
    upload.name = "waf";
    return reloader_->reload(upload);
  }
  [[nodiscard]] bool compiled() const { return !compiler_->jobs.back().output.empty(); }
};

TEST_F(RehearsedTest, IsNotCompiledAgain) {
  ASSERT_TRUE(bring("second", Mode::kDryRun));
  EXPECT_TRUE(compiled());
  EXPECT_EQ(files_in("artifacts"), 2U);
  ASSERT_TRUE(bring("second", Mode::kApply));
  EXPECT_FALSE(compiled());
  EXPECT_EQ(serving("waf"), "v2");
  EXPECT_EQ(files_in("artifacts"), 2U);
}

TEST_F(RehearsedTest, TheLastOneIsKept) {
  ASSERT_TRUE(bring("second", Mode::kDryRun));
  ASSERT_TRUE(bring("third", Mode::kDryRun));
  EXPECT_EQ(files_in("artifacts"), 2U);
  ASSERT_TRUE(bring("second", Mode::kApply));
  EXPECT_TRUE(compiled());
}

TEST_F(RehearsedTest, AnArtifactThatIsDamagedIsMadeAgain) {
  ASSERT_TRUE(bring("second", Mode::kDryRun));
  for (const auto& file : std::filesystem::directory_iterator(config_.data_dir / "artifacts")) {
    if (file.path().stem() != on_disk().slots[0].current_version()->artifact_sha256) {
      std::filesystem::resize_file(file.path(), 3);
    }
  }
  ASSERT_TRUE(bring("second", Mode::kApply));
  EXPECT_TRUE(compiled());
  EXPECT_EQ(serving("waf"), "v2");
}

TEST_F(RehearsedTest, ADryRunOfOneNodeKeepsNothing) {
  ASSERT_TRUE(bring("second", Mode::kDryRun, UploadKind::kReload));
  EXPECT_EQ(files_in("artifacts"), 1U);
}

}  // namespace
}  // namespace secbeat::agent
