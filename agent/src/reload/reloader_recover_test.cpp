// Starts on data directories in which files are lost or damaged.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "recovery.hpp"
#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

class RecoverTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    spdlog::set_level(spdlog::level::off);
    open_or_fail();
    ASSERT_TRUE(upload({.salt = "second"}));
  }
  void TearDown() override {
    spdlog::set_level(spdlog::level::info);
    NodeTest::TearDown();
  }
  void lose(const control::Version& version) const {
    fs::remove(config_.data_dir / "artifacts" / (version.artifact_sha256 + ".cwasm"));
    fs::remove(config_.data_dir / "modules" / (version.sha256 + ".wasm"));
  }
  // Whether the newest row was written by the start and holds `words`, in its reason or its error.
  [[nodiscard]] bool newest_row_says(const std::string& words) const {
    const HistoryRow row = history().front();
    return row.by == "start" && (row.reason + row.error).find(words) != std::string::npos;
  }
};

TEST_F(RecoverTest, AKeptVersionThatIsLostLeaves) {
  const control::Slot slot = on_disk().slots[0];
  config_.modules.clear();  // or it would give the bytes back
  reloader_.reset();
  lose(*slot.previous_version());
  open_or_fail();
  EXPECT_EQ(serving(slot.name), "v2");
  EXPECT_TRUE(reloader_->version(slot.name)->kept.empty());
}

TEST_F(RecoverTest, WhatTheConfigurationFileNamesIsRestoredFromIt) {
  const control::Slot slot = on_disk().slots[0];
  reloader_.reset();
  lose(*slot.previous_version());
  open_or_fail();
  EXPECT_EQ(roll_back()->rolled_back_to, "v1");
}

TEST_F(RecoverTest, TheVersionInForceThatIsLostGivesWayToTheOneBefore) {
  reloader_.reset();
  lose(*on_disk().slots[0].current_version());
  open_or_fail();
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(hub_.target(), on_disk().generation);
  EXPECT_EQ(told(), "auto_rollback v1 success; reload v2 success; load v1 success");
  EXPECT_TRUE(newest_row_says("v2 is lost"));
  EXPECT_EQ(upload({.salt = "second"})->version, "v3") << "its label stays used";
}

TEST_F(RecoverTest, WithoutAnyGoodVersionTheModuleOfTheFileIsLoaded) {
  const control::Slot slot = on_disk().slots[0];
  write("waf.wasm", testing::wasm({.salt = "of the file"}));
  reloader_.reset();
  lose(*slot.current_version());
  lose(*slot.previous_version());
  open_or_fail();
  EXPECT_EQ(serving(), "v3");
  EXPECT_TRUE(newest_row_says("the module of the configuration file is loaded"));
}

TEST_F(RecoverTest, WithoutAnyGoodVersionAndFileTheModuleStaysForItsPolicyToDecide) {
  const control::Slot slot = on_disk().slots[0];
  config_.modules.clear();
  reloader_.reset();
  lose(*slot.current_version());
  lose(*slot.previous_version());
  open_or_fail();
  EXPECT_EQ(on_disk().slots[0].current, slot.current);
  EXPECT_FALSE(history().front().success);
  EXPECT_TRUE(newest_row_says("on_error"));
}

TEST_F(RecoverTest, AnInForceFileThatCannotBeUsedIsMadeAnewFromTheLedger) {
  const control::InForce before = on_disk();
  reloader_.reset();
  write("data/in_force.json", "{");
  open_or_fail();
  EXPECT_GT(on_disk().generation, before.generation);
  EXPECT_EQ(on_disk().slots[0].current, before.slots[0].current);
  EXPECT_EQ(on_disk().slots[0].previous, before.slots[0].previous);
  EXPECT_TRUE(newest_row_says("in_force.json.unusable-1"));
  EXPECT_EQ(read_file(config_.data_dir / "in_force.json.unusable-1", 10), "{");
  EXPECT_EQ(roll_back()->rolled_back_to, "v1");
}

TEST_F(RecoverTest, ARemovedModuleDoesNotComeBackWithTheLedger) {
  ASSERT_TRUE(upload({.name = "gone", .salt = "x"}));
  ASSERT_TRUE(reloader_->remove({.name = "gone", .expected_version = {}, .reason = {}, .origin = {}}));
  reloader_.reset();
  write("data/in_force.json", "{");
  open_or_fail();
  for (const VersionView& module : reloader_->modules()) EXPECT_NE(module.name, "gone");
}

TEST_F(RecoverTest, WithoutEitherTheModulesOfTheFileAreLoaded) {
  reloader_.reset();
  write("data/in_force.json", "{");
  for (const char* name : {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}) {
    fs::remove(config_.data_dir / name);
  }
  open_or_fail();
  EXPECT_EQ(serving(), "v1");
  EXPECT_TRUE(newest_row_says("the modules of the configuration file are loaded"));
}

TEST_F(RecoverTest, ADamagedLedgerIsSetAside) {
  reloader_.reset();
  for (const char* name : {"ledger.sqlite-wal", "ledger.sqlite-shm"}) fs::remove(config_.data_dir / name);
  write("data/ledger.sqlite", std::string(8192, 'x'));
  open_or_fail();
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(newest_row_says("ledger.sqlite.unusable-1"));
  EXPECT_EQ(roll_back()->rolled_back_to, "v1");
}

TEST_F(RecoverTest, WhatIsSetAsideNeverTakesAnothersPlace) {
  write("file", "first");
  EXPECT_EQ(set_aside(folder_ / "file")->filename(), "file.unusable-1");
  write("file", "second");
  EXPECT_EQ(set_aside(folder_ / "file")->filename(), "file.unusable-2");
  EXPECT_EQ(read_file(folder_ / "file.unusable-1", 10), "first");
  EXPECT_FALSE(set_aside(folder_ / "file"));
}

TEST_F(RecoverTest, ALedgerInMemoryServesAndPromisesNothing) {
  const auto ledger = Ledger::open_in_memory("the disk is full");
  ASSERT_TRUE(ledger);
  EXPECT_EQ((*ledger)->reserve().error().message, "the disk is full");
  EXPECT_EQ((*ledger)->begin({}).error().code, ErrorCode::kIo);
  EXPECT_TRUE((*ledger)->repair(on_disk(), [](const control::Version&, VersionRow&) {}, "now"));
  EXPECT_EQ((*ledger)->version(on_disk().slots[0].current)->label, "v2");
}

TEST_F(RecoverTest, AnInForceFileThatIsDamagedWhileTheNodeRunsIsWrittenAgain) {
  const control::InForce before = on_disk();
  write("data/in_force.json", "{");
  reloader_->mend();
  EXPECT_EQ(on_disk(), before);
  fs::remove(config_.data_dir / "in_force.json");
  reloader_->mend();
  EXPECT_EQ(on_disk(), before);
}

}  // namespace
}  // namespace secbeat::agent
