// Changed files as the reload pipeline sees them, and who keeps versions.
#include <gtest/gtest.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <thread>

#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

class ReloaderFilesTest : public NodeTest {
 protected:
  Outcome<ReloadResult> change(const std::string& salt) {
    Upload upload;
    upload.kind = UploadKind::kFileChange;
    upload.name = "waf";
    upload.file = testing::wasm({.salt = salt});
    upload.reason = "File changed: waf.wasm";
    upload.origin = {"file", {}};
    return reloader_->reload(upload);
  }
};

TEST_F(ReloaderFilesTest, AChangedFileIsARowOfItsOwnKind) {
  open_or_fail();
  ASSERT_TRUE(change("second"));
  EXPECT_EQ(told(), "file_change v2 success; load v1 success");
  EXPECT_EQ(history()[0].by, "file");
  EXPECT_EQ(history()[0].reason, "File changed: waf.wasm");
  EXPECT_EQ(reloader_->configured_names(), std::vector<std::string>{"waf"});
}

TEST_F(ReloaderFilesTest, TheFrequencyLimitIsNotForFilesAndFilesDoNotUseItUp) {
  config_.max_reload_frequency = std::chrono::seconds(3600);
  open_or_fail();
  ASSERT_TRUE(change("second"));
  ASSERT_TRUE(upload({.salt = "third"}));
  ASSERT_TRUE(change("fourth"));
  EXPECT_EQ(upload({.salt = "fifth"}).error().error.code, ErrorCode::kRateLimited);
}

TEST_F(ReloaderFilesTest, EveryRefusalIsInTheHistory) {
  config_.max_module_bytes = 1000;
  open_or_fail();
  Upload upload;
  upload.kind = UploadKind::kFileChange;
  upload.name = "waf";
  upload.file = "";
  upload.problem = Error{ErrorCode::kTooLarge, "The module has 2000 bytes; the limit is 1000 bytes"};
  EXPECT_EQ(reloader_->reload(upload).error().error.code, ErrorCode::kTooLarge);
  upload.problem.reset();
  upload.file.reset();
  upload.config = "{}";
  EXPECT_EQ(reloader_->reload(upload).error().error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(told(), "file_change v1 configure_failed; file_change v1 too_large; load v1 success");
  EXPECT_EQ(reloader_->totals()[0].failed, 2U);
}

TEST_F(ReloaderFilesTest, WhereHotReloadIsDisabledAFileIsRefused) {
  config_.hot_reload_enabled = false;
  open_or_fail();
  EXPECT_EQ(change("second").error().error.message, "Hot reload is disabled");
  EXPECT_EQ(told(), "file_change v1 hot_reload_disabled; load v1 success");
}

TEST_F(ReloaderFilesTest, AChangedFileWaitsForTheReloadUnderWay) {
  std::atomic<bool> compiling = false;
  std::atomic<bool> go = false;
  work_ = [&](const engine::CompileJob& job, const CancelToken&) {
    compiling = true;
    compiling.notify_all();
    go.wait(false);
    return testing::FakeCompiler::succeed(job);
  };
  go = true;
  open_or_fail();
  go = false;
  compiling = false;
  std::thread uploading([&] { EXPECT_TRUE(upload({.salt = "second"})); });
  compiling.wait(false);
  std::thread changing([&] { EXPECT_TRUE(change("third")); });
  go = true;
  go.notify_all();
  uploading.join();
  changing.join();
  EXPECT_EQ(told(), "file_change v3 success; reload v2 success; load v1 success");
}

class Keeper final : public VersionKeeper {
 public:
  void came_into_force(ForceRecord record) override { records.push_back(std::move(record)); }
  [[nodiscard]] std::vector<control::Version> wanted() const override { return versions; }
  std::vector<ForceRecord> records;
  std::vector<control::Version> versions;
};

TEST_F(ReloaderFilesTest, AKeeperIsToldOfEachVersionThatComesIntoForce) {
  open_or_fail();
  Keeper keeper;
  reloader_->set_keeper(&keeper);
  const auto second = upload({.salt = "second"});
  ASSERT_TRUE(second);
  clock_.advance(std::chrono::seconds(5));
  ASSERT_TRUE(roll_back());
  ASSERT_EQ(keeper.records.size(), 2U);
  EXPECT_EQ(keeper.records[0].label, "v2");
  EXPECT_EQ(keeper.records[0].sha256, second->sha256);
  EXPECT_EQ(keeper.records[0].times[0].generation, second->generation);
  EXPECT_EQ(keeper.records[0].times[0].kind, "reload");
  EXPECT_EQ(keeper.records[0].times[0].request_id, "request-1");
  EXPECT_EQ(keeper.records[1].label, "v1");
  EXPECT_EQ(keeper.records[1].created_at, "2025-11-24T01:00:03Z") << "when it was new";
  EXPECT_EQ(keeper.records[1].times[0].since, "2025-11-24T01:00:08Z");
  EXPECT_EQ(keeper.records[1].times[0].reason, "Manual rollback");
  reloader_.reset();
}

TEST_F(ReloaderFilesTest, FilesThatAKeeperWantsStay) {
  config_.keep_previous_versions = 0;
  open_or_fail();
  Keeper keeper;
  keeper.versions = {on_disk().slots[0].versions[0]};
  reloader_->set_keeper(&keeper);
  for (const char* salt : {"second", "third", "fourth"}) ASSERT_TRUE(upload({.salt = salt}));
  const fs::path first = config_.data_dir / "modules" / (keeper.versions[0].sha256 + ".wasm");
  EXPECT_TRUE(fs::exists(first));
  keeper.versions.clear();
  ASSERT_TRUE(upload({.salt = "fifth"}));
  EXPECT_FALSE(fs::exists(first));
  reloader_.reset();
}

}  // namespace
}  // namespace secbeat::agent
