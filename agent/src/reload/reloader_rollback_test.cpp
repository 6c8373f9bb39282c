#include <gtest/gtest.h>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;

class RollbackTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
  }
};

TEST_F(RollbackTest, GoesBackAlongTheLineAndForwardByLabel) {
  ASSERT_TRUE(upload({.salt = "2"}));
  ASSERT_TRUE(upload({.salt = "3"}));
  EXPECT_EQ(roll_back()->rolled_back_to, "v2");
  EXPECT_EQ(roll_back()->rolled_back_to, "v1");
  EXPECT_EQ(roll_back().error().error.code, ErrorCode::kNoPreviousVersion);
  EXPECT_EQ(roll_back("v3")->rolled_back_to, "v3");
  EXPECT_EQ(reloader_->version(std::nullopt)->previous_version, "v2");
}

TEST_F(RollbackTest, ANewVersionAfterARollbackFollowsTheOneThatServed) {
  ASSERT_TRUE(upload({.salt = "2"}));
  ASSERT_TRUE(upload({.salt = "3"}));
  ASSERT_TRUE(roll_back());
  EXPECT_EQ(upload({.salt = "4"})->previous_version, "v2");
  reopen();
  EXPECT_EQ(roll_back()->rolled_back_to, "v2") << "the line survives a restart";
  EXPECT_EQ(reloader_->version(std::nullopt)->previous_version, std::nullopt) << "v1 has left the window";
}

TEST_F(RollbackTest, AVersionThatIsNotKeptIsRefusedWithThoseThatAre) {
  for (const char* salt : {"2", "3", "4"}) ASSERT_TRUE(upload({.salt = salt}));
  const auto back = roll_back("v1");
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().error.code, ErrorCode::kUnknownVersion);
  EXPECT_EQ(back.error().names, (std::vector<std::string>{"v3", "v2"}));
  EXPECT_EQ(back.error().current_version, "v4");
}

TEST_F(RollbackTest, ToWhatServesAlreadyIsDoneAlready) {
  const auto back = roll_back("v1");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->from_version, "v1");
  EXPECT_EQ(back->workers.serving, 2U);
  EXPECT_EQ(told(), "load v1 success");
}

TEST_F(RollbackTest, TellsWhatItWasAndWhy) {
  ASSERT_TRUE(upload({.salt = "2"}));
  clock_.advance(std::chrono::minutes(1));
  Rollback rollback;
  rollback.name = "waf";
  rollback.reason = "blocks the shop";
  rollback.origin = {"api", "request-7"};
  ASSERT_TRUE(reloader_->rollback(rollback));
  const HistoryRow row = history().front();
  EXPECT_EQ(row.kind, "rollback");
  EXPECT_EQ(row.version, "v1");
  EXPECT_EQ(row.from_version, "v2");
  EXPECT_EQ(row.reason, "blocks the shop");
  EXPECT_EQ(row.request_id, "request-7");
  EXPECT_EQ(row.timestamp, "2025-11-24T01:01:03Z");
  EXPECT_EQ(reloader_->version(std::nullopt)->loaded_at, "2025-11-24T01:01:03Z") << "when it came into force last";
  rollback.name = "wav";
  EXPECT_EQ(reloader_->rollback(rollback).error().error.code, ErrorCode::kUnknownModule);
}

TEST_F(RollbackTest, OfOneModuleLeavesTheOthers) {
  ASSERT_TRUE(upload({.name = "other", .salt = "1"}));
  ASSERT_TRUE(upload({.name = "other", .salt = "2"}));
  ASSERT_TRUE(upload({.salt = "2"}));
  Rollback rollback;
  rollback.name = "other";
  EXPECT_EQ(reloader_->rollback(rollback)->rolled_back_to, "v1");
  EXPECT_EQ(serving("waf"), "v2");
  EXPECT_EQ(serving("other"), "v1");
}

TEST_F(RollbackTest, WithNothingKeptThereIsNothingToGoBackTo) {
  reloader_.reset();
  config_.keep_previous_versions = 0;
  open_or_fail();
  ASSERT_TRUE(upload({.salt = "2"}));
  const auto back = roll_back();
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().error.code, ErrorCode::kNoPreviousVersion);
  EXPECT_EQ(back.error().current_version, "v2");
  EXPECT_TRUE(back.error().about_module);
}

}  // namespace
}  // namespace secbeat::agent
