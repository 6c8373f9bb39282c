// Freeze, and rollbacks that workers or the disk stand in the way of.
#include <gtest/gtest.h>

#include <filesystem>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

class ReloaderBreakGlassTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    ASSERT_TRUE(upload({.salt = "second"}));
  }
  void TearDown() override {
    mend_the_disk();
    NodeTest::TearDown();
  }

  control::BreakGlassArea& area() { return scoreboard_->layout().break_glass; }
  [[nodiscard]] std::uint64_t current() const { return reloader_->in_force().slots.at(0).current; }
  void freeze() {
    control::freeze(area(), {.since_unix_ms = unix_ms_of(clock_.now()),
                             .until_unix_ms = 0,
                             .by = "scoreboard:root",
                             .reason = "incident 4711"});
  }
  // Nothing can be renamed to in_force.json, as on a disk that is read-only.
  void break_the_disk() {
    fs::rename(config_.data_dir / "in_force.json", folder_ / "kept.json");
    fs::create_directories(config_.data_dir / "in_force.json" / "in the way");
  }
  void mend_the_disk() {
    if (!fs::exists(folder_ / "kept.json")) return;
    fs::remove_all(config_.data_dir / "in_force.json");
    fs::rename(folder_ / "kept.json", config_.data_dir / "in_force.json");
  }
  Outcome<RollbackResult> complete(std::uint64_t id) {
    Rollback rollback;
    rollback.name = "waf";
    rollback.completes = id;
    rollback.reason = "to be completed";
    return reloader_->rollback(rollback);
  }
};

constexpr std::string_view kFrozen = "Changes are frozen since 2025-11-24T01:00:03Z by scoreboard:root: incident 4711";

TEST_F(ReloaderBreakGlassTest, AFreezeRefusesEverythingButARollback) {
  freeze();
  const auto uploaded = upload({.salt = "third"});
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().error.code, ErrorCode::kFrozen);
  EXPECT_EQ(uploaded.error().error.message, kFrozen);
  EXPECT_EQ(uploaded.error().current_version, "v2");
  EXPECT_EQ(history().front().code, "frozen");
  Removal removal;
  removal.name = "waf";
  EXPECT_EQ(reloader_->remove(removal).error().error.code, ErrorCode::kFrozen);
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(roll_back());
  EXPECT_EQ(serving(), "v1");
  control::unfreeze(area());
  EXPECT_TRUE(upload({.salt = "third"}));
}

TEST_F(ReloaderBreakGlassTest, AFreezeDoesNotKeepWhatIsTakenBack) {
  freeze();
  Removal removal;
  removal.name = "waf";
  removal.takes_back = true;
  removal.expected_version = "v2";
  EXPECT_TRUE(reloader_->remove(removal));
  EXPECT_FALSE(reloader_->version("waf"));
}

// A freeze that comes while workers get ready: the answer to it says that nothing changes any more.
TEST_F(ReloaderBreakGlassTest, AFreezeHoldsAlsoWhereAChangeIsUnderWay) {
  hub_.on_stage = [this](const control::InForce&) {
    freeze();
    return std::vector<WorkerFailure>();
  };
  const auto uploaded = upload({.salt = "third"});
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().error.code, ErrorCode::kFrozen);
  EXPECT_EQ(history().front().code, "frozen");
  EXPECT_EQ(hub_.aborted().back(), hub_.staged().generation);
  control::unfreeze(area());
  Removal removal;
  removal.name = "waf";
  EXPECT_EQ(reloader_->remove(removal).error().error.code, ErrorCode::kFrozen);
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(roll_back()) << "only a rollback is not stopped by it";
}

std::vector<WorkerFailure> one_that_cannot() {
  return {{.pid = 100, .module = "waf", .error = {ErrorCode::kMemoryLimit, "no memory"}, .late = false}};
}

TEST_F(ReloaderBreakGlassTest, ARollbackThatFailsLeavesInEffectWhatSomebodyHasDemanded) {
  const std::uint64_t bad = current();
  control::take_back(area(), bad);  // as the command line does without an agent
  hub_.on_stage = [](const control::InForce&) { return one_that_cannot(); };
  EXPECT_FALSE(complete(bad));
  EXPECT_TRUE(control::is_taken_back(area(), bad));
  EXPECT_FALSE(roll_back());
  EXPECT_TRUE(control::is_taken_back(area(), bad));
  hub_.on_stage = nullptr;
  EXPECT_TRUE(complete(bad));
  EXPECT_EQ(serving(), "v1");
}

TEST_F(ReloaderBreakGlassTest, ARollbackThatFailsUndoesWhatItHasBegunItself) {
  hub_.on_stage = [](const control::InForce&) { return one_that_cannot(); };
  EXPECT_FALSE(roll_back());
  EXPECT_TRUE(control::taken_back(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, WhatReplacesAVersionThatIsTakenBackFollowsTheOneThatDecided) {
  for (const std::uint32_t keep : {1U, 2U}) {
    reloader_.reset();
    config_.keep_previous_versions = keep;
    open_or_fail();
    ASSERT_TRUE(upload({.salt = "good"}, std::nullopt));
    const std::string good = serving();
    ASSERT_TRUE(upload({.salt = "bad"}, std::nullopt));
    control::take_back(area(), current());
    const auto again = upload({.salt = "bad"});
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->unchanged) << "another version decides";
    EXPECT_EQ(again->previous_version, good);
    EXPECT_EQ(roll_back()->rolled_back_to, good);
  }
}

TEST_F(ReloaderBreakGlassTest, ARemovalOfAVersionThatIsTakenBackRemembersTheOneThatDecided) {
  control::take_back(area(), current());
  Removal removal;
  removal.name = "waf";
  ASSERT_TRUE(reloader_->remove(removal));
  Rollback rollback;
  rollback.name = "waf";
  EXPECT_EQ(reloader_->rollback(rollback)->rolled_back_to, "v1");
}

TEST_F(ReloaderBreakGlassTest, ARollbackWithoutTheAgentEndsAnUploadThatIsUnderWay) {
  hub_.on_stage = [this](const control::InForce&) {
    control::take_back(area(), current());
    return std::vector<WorkerFailure>();
  };
  const auto uploaded = upload({.salt = "third"});
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().error.code, ErrorCode::kCancelled);
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(control::is_taken_back(area(), current()));
}

TEST_F(ReloaderBreakGlassTest, ADryRunIsNoChange) {
  freeze();
  Upload upload;
  upload.file = testing::wasm({.salt = "third"});
  upload.mode = Mode::kDryRun;
  EXPECT_TRUE(reloader_->reload(upload));
}

TEST_F(ReloaderBreakGlassTest, AFreezeThatComesDuringTheCompileIsSeen) {
  compiler_->work = [this](const engine::CompileJob& job, const CancelToken&) {
    freeze();
    return testing::FakeCompiler::succeed(job);
  };
  EXPECT_EQ(upload({.salt = "third"}).error().error.code, ErrorCode::kFrozen);
  EXPECT_EQ(serving(), "v2");
}

TEST_F(ReloaderBreakGlassTest, ARollbackGoesOnWithoutAWorkerThatHangs) {
  const std::uint64_t bad = current();
  const auto late = [](const auto&) {
    return std::vector{
        WorkerFailure{.pid = 101, .module = "", .error = {ErrorCode::kWorkersDisagree, "no answer"}, .late = true}};
  };
  hub_.on_stage = late;
  hub_.on_commit = late;
  const auto done = roll_back();
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->workers.serving, 1U);
  EXPECT_EQ(done->workers.total, 2U);
  ASSERT_EQ(done->warnings.size(), 1U);
  EXPECT_NE(done->warnings[0].find("101"), std::string::npos);
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(on_disk(), reloader_->in_force());
  EXPECT_TRUE(control::is_taken_back(area(), bad)) << "until the worker that hangs has left it";
  EXPECT_EQ(history().front().kind, "rollback");
  EXPECT_TRUE(history().front().success);
}

TEST_F(ReloaderBreakGlassTest, AnUploadWaitsForAWorkerThatHangs) {
  hub_.on_stage = [](const auto&) {
    return std::vector{
        WorkerFailure{.pid = 101, .module = "", .error = {ErrorCode::kWorkersDisagree, "no answer"}, .late = true}};
  };
  EXPECT_EQ(upload({.salt = "third"}).error().error.code, ErrorCode::kWorkersDisagree);
}

TEST_F(ReloaderBreakGlassTest, ARollbackThatAWorkerCannotServeIsRefusedAndLeavesNothingTakenBack) {
  hub_.on_stage = [](const auto&) {
    return std::vector{WorkerFailure{.pid = 101, .module = "waf", .error = {ErrorCode::kArtifactRejected, "damaged"}}};
  };
  EXPECT_FALSE(roll_back());
  EXPECT_TRUE(control::taken_back(area()).empty());
  EXPECT_EQ(serving(), "v2");
}

TEST_F(ReloaderBreakGlassTest, AnOrdinaryRollbackLeavesNothingTakenBack) {
  ASSERT_TRUE(roll_back());
  EXPECT_TRUE(control::taken_back(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, ARollbackThatTheDiskHasNoRoomForIsHeldAndCompletedLater) {
  const std::uint64_t bad = current();
  break_the_disk();
  const auto done = roll_back();
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_TRUE(done->held);
  EXPECT_EQ(done->rolled_back_to, "v1");
  EXPECT_EQ(done->warnings.size(), 1U);
  EXPECT_TRUE(control::is_taken_back(area(), bad));
  EXPECT_TRUE(complete(bad)->held);
  mend_the_disk();
  const auto completed = complete(bad);
  ASSERT_TRUE(completed);
  EXPECT_FALSE(completed->held);
  EXPECT_EQ(serving(), "v1");
  EXPECT_TRUE(control::taken_back(area()).empty());
  EXPECT_EQ(history().front().reason, "Manual rollback") << "as it was asked for, not as it was completed";
  EXPECT_EQ(complete(bad).error().error.code, ErrorCode::kVersionConflict);
}

TEST_F(ReloaderBreakGlassTest, WhatIsHeldOutlivesTheAgent) {
  const std::uint64_t bad = current();
  break_the_disk();
  ASSERT_TRUE(roll_back());
  mend_the_disk();
  reopen();
  EXPECT_EQ(current(), bad);
  EXPECT_TRUE(control::is_taken_back(area(), bad));
  ASSERT_TRUE(complete(bad));
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(history().front().reason, "Manual rollback");
  EXPECT_TRUE(control::waiting_notes(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, WhatTheWatchTookBackAndIsHeldIsThatAlsoForTheNextAgent) {
  const std::uint64_t bad = current();
  Rollback rollback;
  rollback.name = "waf";
  rollback.reason = "errors: 30 of 30";
  rollback.origin = {"watch", ""};
  rollback.takes_back = bad;
  break_the_disk();
  ASSERT_TRUE(reloader_->rollback(rollback)->held);
  EXPECT_TRUE(complete(bad)->held);
  EXPECT_EQ(control::waiting_notes(area()).size(), 1U);
  mend_the_disk();
  reopen();
  ASSERT_TRUE(complete(bad));
  EXPECT_EQ(history().front().kind, "auto_rollback");
  EXPECT_EQ(history().front().reason, "errors: 30 of 30");
  EXPECT_EQ(history().front().by, "watch");
  EXPECT_EQ(upload({.salt = "second"}).error().error.code, ErrorCode::kQuarantined);
  EXPECT_TRUE(control::waiting_notes(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, WhatNobodyWantsAnyMoreWhenItsTurnHasComeIsNotTakenBack) {
  Rollback rollback;
  rollback.name = "waf";
  rollback.takes_back = current();
  rollback.still_wanted = [] { return false; };
  EXPECT_EQ(reloader_->rollback(rollback).error().error.code, ErrorCode::kVersionConflict);
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(control::taken_back(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, AVersionFurtherBackNeedsTheDisk) {
  ASSERT_TRUE(upload({.salt = "third"}));
  break_the_disk();
  EXPECT_EQ(roll_back("v1").error().error.code, ErrorCode::kIo);
  EXPECT_TRUE(control::taken_back(area()).empty());
}

TEST_F(ReloaderBreakGlassTest, WhoGoesForwardAgainWantsTheVersionThatWasTakenBack) {
  const std::uint64_t bad = current();
  break_the_disk();
  ASSERT_TRUE(roll_back());
  mend_the_disk();
  const auto again = roll_back("v2");
  ASSERT_TRUE(again);
  EXPECT_FALSE(control::is_taken_back(area(), bad));
  EXPECT_EQ(serving(), "v2");
}

TEST_F(ReloaderBreakGlassTest, ARehearsedRollbackSwapsNothing) {
  const control::InForce before = reloader_->in_force();
  const auto rehearsed = reloader_->rehearse_rollback("waf");
  ASSERT_TRUE(rehearsed);
  EXPECT_EQ(rehearsed->version, "v2");
  EXPECT_EQ(rehearsed->would_be, "v1");
  EXPECT_EQ(rehearsed->workers, 2U);
  EXPECT_EQ(hub_.staged().slots.at(0).current, before.slots.at(0).previous);
  EXPECT_EQ(hub_.aborted().back(), hub_.staged().generation);
  EXPECT_EQ(reloader_->in_force(), before);
  EXPECT_EQ(on_disk(), before);
  ASSERT_TRUE(roll_back());
  EXPECT_EQ(reloader_->rehearse_rollback("waf").error().error.code, ErrorCode::kNoPreviousVersion);
  EXPECT_EQ(reloader_->rehearse_rollback("none").error().error.code, ErrorCode::kUnknownModule);
}

TEST_F(ReloaderBreakGlassTest, ANodeThatIsFrozenLoadsNothingNewWhenItStarts) {
  freeze();
  write("other.wasm", testing::wasm({.name = "other"}));
  name_module("other.wasm", "other");
  reopen();
  EXPECT_EQ(reloader_->modules().size(), 1U);
  control::unfreeze(area());
  reopen();
  EXPECT_EQ(reloader_->modules().size(), 2U);
}

}  // namespace
}  // namespace secbeat::agent
