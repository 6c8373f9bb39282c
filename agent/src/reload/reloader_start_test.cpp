#include <gtest/gtest.h>

#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

class StartTest : public NodeTest {
 protected:
  [[nodiscard]] std::string chain() const {
    std::string text;
    for (const VersionView& module : reloader_->modules()) text += module.name + ":" + module.version + " ";
    return text;
  }
  [[nodiscard]] fs::path artifact() const {
    return config_.data_dir / "artifacts" / (on_disk().slots[0].current_version()->artifact_sha256 + ".cwasm");
  }
};

TEST_F(StartTest, WhatIsInForceWinsOverTheFile) {
  open_or_fail();
  ASSERT_TRUE(upload({.salt = "second"}));
  const control::InForce before = on_disk();
  write("waf.wasm", testing::wasm({.salt = "edited"}));
  reopen();
  EXPECT_EQ(serving(), "v2");
  EXPECT_EQ(on_disk(), before);
  EXPECT_EQ(hub_.target(), before.generation);
  EXPECT_EQ(told(), "reload v2 success; load v1 success");
  EXPECT_TRUE(compiler_->jobs.empty());
}

TEST_F(StartTest, SettingsComeFromTheFileAtEachStart) {
  open_or_fail();
  const control::InForce before = on_disk();
  config_.modules[0].on_error = control::OnError::kClosed;
  config_.max_body_bytes = 1000;
  config_.limits.call_budget = std::chrono::milliseconds(9);
  reopen();
  const control::InForce after = on_disk();
  EXPECT_GT(after.generation, before.generation);
  EXPECT_EQ(hub_.target(), after.generation);
  EXPECT_EQ(after.slots[0].on_error, control::OnError::kClosed);
  EXPECT_EQ(after.slots[0].limits.call_budget, std::chrono::milliseconds(9));
  EXPECT_EQ(after.max_body_bytes, 1000U);
  EXPECT_EQ(after.slots[0].versions, before.slots[0].versions);
  EXPECT_EQ(told(), "load v1 success");
}

TEST_F(StartTest, AFreshInstanceForEachRequestIsRefusedForWhatIsInForceAndTakesAConfiguration) {
  write("waf.wasm", testing::wasm({.salt = "first", .configure = true}));
  open_or_fail();
  const control::InForce before = on_disk();
  config_.modules[0].isolation = engine::Isolation::kRequest;
  reloader_.reset();
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("waf v1, which is in force, exports configure"), std::string::npos)
      << opened.error().message;
  EXPECT_EQ(on_disk(), before);
}

TEST_F(StartTest, TheWindowFollowsTheFile) {
  open_or_fail();
  ASSERT_TRUE(upload({.salt = "2"}));
  ASSERT_TRUE(upload({.salt = "3"}));
  config_.keep_previous_versions = 1;
  reopen();
  EXPECT_EQ(reloader_->version(std::nullopt)->kept, std::vector<std::string>{"v2"});
}

TEST_F(StartTest, AModuleThatTheFileAddsIsLoadedInItsPlace) {
  open_or_fail();
  ASSERT_TRUE(upload({.name = "added", .salt = "x"}));
  write("more.wasm", testing::wasm({.version = "2.0.0", .salt = "more"}));
  name_module("more.wasm");
  reopen();
  EXPECT_EQ(chain(), "waf:v1 more:2.0.0 added:v1 ");
  EXPECT_EQ(told(), "load 2.0.0 success; reload v1 success; load v1 success");
}

TEST_F(StartTest, ModulesAreNamedByTheFileThenTheirBytesThenTheirFile) {
  write("a.wasm", testing::wasm({.name = "embedded", .salt = "a"}));
  write("b.wasm", testing::wasm({.name = "embedded", .salt = "b"}));
  name_module("a.wasm");
  name_module("b.wasm", "given");
  open_or_fail();
  EXPECT_EQ(chain(), "waf:v1 embedded:v1 given:v1 ");
  EXPECT_EQ(reloader_->version(std::nullopt)->name, "waf");
}

TEST_F(StartTest, TwoModulesOfOneNameAreAnError) {
  write("a.wasm", testing::wasm({.name = "waf", .salt = "a"}));
  name_module("a.wasm");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("another module is called waf"), std::string::npos);
}

TEST_F(StartTest, AnInvalidModuleIsAnErrorThatNamesFileAndReason) {
  write("waf.wasm", "text");
  auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidWasm);
  EXPECT_NE(opened.error().message.find((folder_ / "waf.wasm").string()), std::string::npos);

  write("waf.wasm", testing::wasm({.salt = "first"}));
  work_ = [](const engine::CompileJob&, const CancelToken&) {
    engine::CompileReport report;
    report.error = Error{ErrorCode::kForbiddenImport, "imports env.memcpy"};
    return Result<engine::CompileReport>(report);
  };
  opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kForbiddenImport);
  EXPECT_NE(opened.error().message.find("imports env.memcpy"), std::string::npos);
  EXPECT_FALSE(fs::exists(config_.data_dir / "in_force.json"));

  work_ = nullptr;
  open_or_fail();
  EXPECT_EQ(serving(), "v1");
}

TEST_F(StartTest, AMissingFileMattersOnlyWhereNothingIsInForce) {
  fs::remove(folder_ / "waf.wasm");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("waf.wasm"), std::string::npos);
  write("waf.wasm", testing::wasm({.salt = "first"}));
  open_or_fail();
  fs::remove(folder_ / "waf.wasm");
  reopen();
  EXPECT_EQ(serving(), "v1");
}

TEST_F(StartTest, AModuleWhoseFileIsGoneKeepsTheNameOfTheModuleInForce) {
  write("waf.wasm", testing::wasm({.name = "embedded", .salt = "first"}));
  open_or_fail();
  fs::remove(folder_ / "waf.wasm");
  reopen();
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(upload({.salt = "second"})->name, "embedded");
  config_.modules[0].on_error = control::OnError::kClosed;
  reopen();
  EXPECT_EQ(on_disk().slots[0].on_error, control::OnError::kClosed);
}

TEST_F(StartTest, AModuleThatTheFileAddsMustBeReadable) {
  open_or_fail();
  reloader_.reset();
  name_module("none.wasm");
  EXPECT_FALSE(open());
  config_.modules.pop_back();
  name_module("waf.wasm", "again");
  config_.modules[1].config = folder_ / "none.json";
  config_.modules[1].config_is_explicit = true;
  EXPECT_EQ(open().error().code, ErrorCode::kConfigureFailed);
}

TEST_F(StartTest, ConfigurationsOfTheFile) {
  write("waf.wasm", testing::wasm({.salt = "first", .configure = true}));
  config_.modules[0].config = folder_ / "waf-config.json";
  open_or_fail();
  EXPECT_EQ(on_disk().slots[0].current_version()->config_sha256, "") << "a missing default one is none";

  fs::remove_all(config_.data_dir);
  config_.modules[0].config_is_explicit = true;
  const auto missing = open();
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("waf-config.json"), std::string::npos);

  write("waf-config.json", "{}");
  open_or_fail();
  EXPECT_EQ(on_disk().slots[0].current_version()->config_sha256, sha256_hex("{}"));

  fs::remove_all(config_.data_dir);
  write("waf.wasm", testing::wasm({.salt = "first"}));
  const auto useless = open();
  ASSERT_FALSE(useless);
  EXPECT_EQ(useless.error().code, ErrorCode::kConfigureFailed);
  config_.modules[0].config_is_explicit = false;
  open_or_fail();
  EXPECT_EQ(on_disk().slots[0].current_version()->config_sha256, "") << "nobody asked for the default one";
}

TEST_F(StartTest, ANodeWithoutModulesWaitsForTheFirstUpload) {
  config_.modules.clear();
  open_or_fail();
  EXPECT_FALSE(reloader_->ready());
  EXPECT_EQ(reloader_->version(std::nullopt).error().error.code, ErrorCode::kUnknownModule);
  EXPECT_TRUE(reloader_->modules().empty());
  EXPECT_EQ(upload({.salt = "x"}).error().error.code, ErrorCode::kBadRequest) << "it has no name";
  const auto done = upload({.name = "first", .salt = "x"});
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->version, "v1");
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(StartTest, AnArtifactThatIsMissingDamagedOrRefusedIsMadeAgain) {
  open_or_fail();
  const fs::path file = artifact();
  for (const std::string damage : {"missing", "damaged", "refused"}) {
    reloader_.reset();
    if (damage == "missing") fs::remove(file);
    if (damage == "damaged") write("data/artifacts/" + file.filename().string(), "damaged");
    accepts_ = [&](std::string_view, std::string_view) -> Result<void> {
      if (damage == "refused") return fail(ErrorCode::kArtifactRejected, "made by another version");
      return {};
    };
    open_or_fail();
    EXPECT_EQ(compiler_->jobs.size(), 1U) << damage;
    EXPECT_EQ(serving(), "v1") << damage;
    EXPECT_EQ(sha256_hex(read_file(artifact(), 1000).value()) + ".cwasm", artifact().filename()) << damage;
  }
  EXPECT_EQ(told(), "load v1 success");
}

TEST_F(StartTest, AnArtifactMadeAgainThatDiffersIsANewGenerationOfTheSameVersion) {
  open_or_fail();
  const control::InForce before = on_disk();
  fs::remove(artifact());
  work_ = [](const engine::CompileJob& job, const CancelToken&) {
    auto report = testing::FakeCompiler::succeed(job);
    EXPECT_TRUE(write_file_atomically(job.output, "another artifact"));
    report->artifact_sha256 = sha256_hex("another artifact");
    return report;
  };
  reopen();
  EXPECT_GT(on_disk().generation, before.generation);
  EXPECT_EQ(on_disk().slots[0].current, before.slots[0].current);
  EXPECT_EQ(read_file(artifact(), 100).value(), "another artifact");
  EXPECT_EQ(hub_.target(), on_disk().generation);
}

TEST_F(StartTest, ALostLedgerIsMadeAnewFromWhatIsInForce) {
  write("waf.wasm", testing::wasm({.salt = "first", .configure = true}));
  open_or_fail();
  ASSERT_TRUE(upload({.version = "1.4.2", .salt = "second", .configure = true}));
  reloader_.reset();
  for (const char* name : {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}) {
    fs::remove(config_.data_dir / name);
  }
  open_or_fail();
  EXPECT_EQ(serving(), "1.4.2");
  EXPECT_EQ(reloader_->version(std::nullopt)->embedded_version, "1.4.2");
  EXPECT_EQ(configure("{}")->version, "1.4.2+2");
  EXPECT_EQ(upload({.salt = "third"})->version, "v2");
  EXPECT_EQ(roll_back("v1")->rolled_back_to, "v1");
}

TEST_F(StartTest, ANewDataDirectoryCountsAboveWhatWorkersServeAndHaveCounted) {
  control::WorkerSlot& slot = scoreboard_->layout().workers[*scoreboard_->claim(::getpid(), ::getppid())];
  slot.generation = 50;
  slot.series[3].version_id = 70;
  open_or_fail();
  EXPECT_GT(on_disk().generation, 50U);
  EXPECT_GT(on_disk().slots[0].current, 70U);
}

}  // namespace
}  // namespace secbeat::agent
