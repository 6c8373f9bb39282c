#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
using testing::WasmParts;

class ReloaderTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
  }
};

TEST_F(ReloaderTest, TheModuleOfTheFileIsServedFromTheStart) {
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "load v1 success");
  EXPECT_EQ(history().front().by, "start");
  EXPECT_EQ(hub_.target(), on_disk().generation);
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(ReloaderTest, AnUploadReplacesTheVersionInEveryWorker) {
  const auto done = upload({.salt = "second"});
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->name, "waf");
  EXPECT_EQ(done->version, "v2");
  EXPECT_EQ(done->previous_version, "v1");
  EXPECT_EQ(done->downtime_ms, 0U);
  EXPECT_EQ(done->max_pause_us, 2U);
  EXPECT_EQ(done->workers.serving, 2U);
  EXPECT_EQ(done->workers.total, 2U);
  EXPECT_FALSE(done->unchanged);
  EXPECT_EQ(serving(), "v2");
  EXPECT_EQ(on_disk().generation, done->generation);
  EXPECT_EQ(on_disk(), reloader_->in_force());
  EXPECT_EQ(told(), "reload v2 success; load v1 success");
  const HistoryRow row = history().front();
  EXPECT_EQ(row.from_version, "v1");
  EXPECT_EQ(row.attempted_version, "");
  EXPECT_EQ(row.generation, done->generation);
  EXPECT_EQ(row.request_id, "request-1");
  EXPECT_EQ(row.sha256, done->sha256);
}

TEST_F(ReloaderTest, ARollbackGoesBackWithoutTheCompiler) {
  ASSERT_TRUE(upload({.salt = "second"}));
  const std::size_t jobs = compiler_->jobs.size();
  const auto back = roll_back();
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->rolled_back_to, "v1");
  EXPECT_EQ(back->from_version, "v2");
  EXPECT_EQ(back->reason, "Manual rollback");
  EXPECT_EQ(back->workers.serving, 2U);
  EXPECT_EQ(compiler_->jobs.size(), jobs);
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "rollback v1 success; reload v2 success; load v1 success");
  EXPECT_TRUE(reloader_->ready());
}

}  // namespace
}  // namespace secbeat::agent
