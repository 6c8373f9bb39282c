#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;
using testing::NodeTest;
using testing::wasm;
namespace fs = std::filesystem;

class QuarantineTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    ASSERT_TRUE(upload({.salt = "2"}));
  }

  Outcome<RollbackResult> take_back() {
    Rollback rollback;
    rollback.name = "waf";
    rollback.reason = "errors: 30 of 30";
    rollback.origin = {"watch", ""};
    rollback.takes_back = reloader_->in_force().find("waf")->current;
    return reloader_->rollback(rollback);
  }
  Outcome<ReloadResult> upload_again(Gates gates, Mode mode = Mode::kApply) {
    Upload again;
    again.file = wasm({.salt = "2"});
    again.name = "waf";
    again.gates = gates;
    again.mode = mode;
    return reloader_->reload(again);
  }
  [[nodiscard]] std::string state_of(const std::string& label) const {
    const auto known = reloader_->versions("waf", Page{});
    if (!known) return known.error().error.message;
    for (const KnownVersion& version : known->versions) {
      if (version.version == label) return version.state;
    }
    return "unknown";
  }
};

TEST_F(QuarantineTest, AnAutomaticRollbackTellsWhatItIsAndWhy) {
  ASSERT_TRUE(take_back());
  const HistoryRow row = history().front();
  EXPECT_EQ(row.kind, "auto_rollback");
  EXPECT_TRUE(row.success);
  EXPECT_EQ(row.version, "v1");
  EXPECT_EQ(row.from_version, "v2");
  EXPECT_EQ(row.reason, "errors: 30 of 30");
  EXPECT_EQ(row.by, "watch");
  EXPECT_EQ(state_of("v2"), "quarantined");
  EXPECT_EQ(state_of("v1"), "serving");
}

TEST_F(QuarantineTest, TheSameUploadIsRefusedAlsoAfterARestart) {
  ASSERT_TRUE(take_back());
  for (int start = 0; start < 2; ++start) {
    const auto again = upload_again(Gates::kOn);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().error.code, ErrorCode::kQuarantined);
    EXPECT_THAT(again.error().error.message, HasSubstr("2025-11-24T01:00:"));
    EXPECT_THAT(again.error().error.message, HasSubstr("errors: 30 of 30"));
    EXPECT_EQ(again.error().current_version, "v1");
    EXPECT_EQ(upload_again(Gates::kOn, Mode::kDryRun).error().error.code, ErrorCode::kQuarantined);
    EXPECT_EQ(serving(), "v1");
    reopen();
  }
  EXPECT_EQ(history().front().code, "quarantined");
}

TEST_F(QuarantineTest, OtherBytesOrAnotherModuleAreFree) {
  ASSERT_TRUE(take_back());
  EXPECT_TRUE(upload({.name = "other", .salt = "2"}));
  EXPECT_TRUE(upload({.salt = "3"}));
}

TEST_F(QuarantineTest, ForcePasses) {
  ASSERT_TRUE(take_back());
  const auto forced = upload_again(Gates::kForced);
  ASSERT_TRUE(forced) << forced.error().error.message;
  EXPECT_EQ(serving(), forced->version);
  EXPECT_EQ(state_of(forced->version), "serving");
}

TEST_F(QuarantineTest, IsLiftedWhereAForcedVersionServesWell) {
  ASSERT_TRUE(take_back());
  ASSERT_TRUE(upload_again(Gates::kForced));
  ASSERT_TRUE(reloader_->lift_quarantine("waf", reloader_->in_force().find("waf")->current));
  ASSERT_TRUE(roll_back());
  EXPECT_TRUE(upload_again(Gates::kOn));
}

TEST_F(QuarantineTest, ARollbackByHandReachesAVersionInQuarantine) {
  ASSERT_TRUE(take_back());
  EXPECT_EQ(roll_back("v2")->rolled_back_to, "v2");
}

TEST_F(QuarantineTest, NothingIsTakenBackThatNoLongerServes) {
  Rollback late;
  late.name = "waf";
  late.takes_back = reloader_->in_force().find("waf")->current;
  ASSERT_TRUE(upload({.salt = "3"}));
  EXPECT_EQ(reloader_->rollback(late).error().error.code, ErrorCode::kVersionConflict);
  EXPECT_EQ(serving(), "v3");
  EXPECT_EQ(state_of("v2"), "previous");
}

TEST_F(QuarantineTest, WhatStillServesAfterAFailedRollbackIsNotInIt) {
  hub_.on_commit = [](std::uint64_t) {
    return std::vector<WorkerFailure>{
        {.pid = 100, .module = "waf", .error = {ErrorCode::kMemoryLimit, "no memory"}, .late = false}};
  };
  EXPECT_FALSE(take_back());
  EXPECT_EQ(state_of("v2"), "serving");
  hub_.on_commit = nullptr;
  EXPECT_TRUE(take_back());
  EXPECT_EQ(state_of("v2"), "quarantined");
}

TEST_F(QuarantineTest, AStartThatHasLostWhatServedLoadsNothingThatWasTakenBack) {
  spdlog::set_level(spdlog::level::off);
  ASSERT_TRUE(take_back());
  write("waf.wasm", wasm({.salt = "2"}));
  const auto lose = [&](const std::string& sha256, const std::string& artifact) {
    fs::remove(config_.data_dir / "modules" / (sha256 + ".wasm"));
    fs::remove(config_.data_dir / "artifacts" / (artifact + ".cwasm"));
  };
  const control::Version v1 = *on_disk().slots[0].current_version();
  reloader_.reset();
  lose(v1.sha256, v1.artifact_sha256);
  open_or_fail();
  EXPECT_EQ(on_disk().slots[0].current, v1.id) << "nobody has brought the other one back";
  EXPECT_EQ(history().front().kind, "load");
  EXPECT_FALSE(history().front().success);
  EXPECT_THAT(history().front().error, HasSubstr("taken back automatically"));

  // Nor where nothing is known of what served.
  reloader_.reset();
  fs::remove(config_.data_dir / "in_force.json");
  open_or_fail();
  EXPECT_TRUE(reloader_->modules().empty());
  EXPECT_EQ(history().front().code, "quarantined");
  EXPECT_THAT(history().front().error, HasSubstr("--force"));
}

TEST_F(QuarantineTest, AStartThatHasLostWhatServedTakesAnotherKeptVersion) {
  spdlog::set_level(spdlog::level::off);
  ASSERT_TRUE(upload({.salt = "3"}));  // v2 stays beside it
  ASSERT_TRUE(take_back());
  const control::Version v2 = *on_disk().slots[0].current_version();
  write("waf.wasm", wasm({.salt = "3"}));
  reloader_.reset();
  fs::remove(config_.data_dir / "modules" / (v2.sha256 + ".wasm"));
  fs::remove(config_.data_dir / "artifacts" / (v2.artifact_sha256 + ".cwasm"));
  open_or_fail();
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(history().front().kind, "auto_rollback");
}

TEST_F(QuarantineTest, WorksWhereHotReloadIsDisabled) {
  reloader_.reset();
  config_.hot_reload_enabled = false;
  open_or_fail();
  EXPECT_TRUE(take_back());
  EXPECT_EQ(serving(), "v1");
}

}  // namespace
}  // namespace secbeat::agent
