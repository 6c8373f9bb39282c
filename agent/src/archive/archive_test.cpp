// The thread that archives: what it is told is in the folder in the end, and nobody waits for it.
#include "secbeat/agent/archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <thread>

#include "archive_thread.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::SizeIs;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

using archive::ArchiveContents;

archive::VersionArchive archive_at(const archive::Location& location) {
  return archive::VersionArchive(archive::open_storage(location));
}

constexpr ArchivePatience kHasty{.first_retry = 1ms, .last_retry = 20ms, .at_the_end = 60s, .after_cancel = 60s};

class ArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    std::string pattern = ::testing::TempDir() + "/archive-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    config_.data_dir = base_ / "data";
    config_.archive.folder = base_ / "archive";
    config_.node_name = "node-1";
    fs::create_directories(config_.data_dir / "modules");
    fs::create_directories(config_.data_dir / "configs");
  }
  void TearDown() override {
    archive_.reset();
    fs::remove_all(base_);
  }

  // A version whose files are in the data directory.
  [[nodiscard]] ForceRecord version(const std::string& label, const std::string& config = "") const {
    const std::string bytes = "bytes of " + label;
    ForceRecord record{.module = "waf",
                       .label = label,
                       .sha256 = sha256_hex(bytes),
                       .size_bytes = bytes.size(),
                       .config_sha256 = config.empty() ? "" : sha256_hex(config),
                       .created_at = "2025-11-24T01:00:03Z",
                       .times = {{.since = "2025-11-24T01:00:03Z",
                                  .generation = 1,
                                  .kind = "reload",
                                  .reason = {},
                                  .by = "api",
                                  .request_id = {}}}};
    std::ofstream(config_.data_dir / "modules" / (record.sha256 + ".wasm")) << bytes;
    if (!config.empty()) std::ofstream(config_.data_dir / "configs" / record.config_sha256) << config;
    return record;
  }
  static void wait_for(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "what should come has not come";
      std::this_thread::sleep_for(1ms);
    }
  }
  void await_nothing_pending() {
    wait_for([&] { return archive_->status().pending == 0; });
  }
  [[nodiscard]] ArchiveContents contents() const {
    return archive_at(config_.archive).list().value_or(ArchiveContents{});
  }

  fs::path base_;
  Config config_;
  std::unique_ptr<Archive> archive_;
};

TEST_F(ArchiveTest, StoresWhatItIsTold) {
  archive_ = start_archive(config_, kHasty);
  archive_->came_into_force(version("v1", "{}"));
  archive_->came_into_force(version("v2"));
  await_nothing_pending();
  ASSERT_THAT(contents().manifests, SizeIs(2));
  EXPECT_EQ(contents().manifests[0].node, "node-1");
  EXPECT_EQ(contents().manifests[0].config_size_bytes, 2U);
  EXPECT_EQ(archive_->status().failures, 0U);
  const auto verdict = archive_at(config_.archive).verify();
  EXPECT_TRUE(verdict && verdict->contents.problems.empty());
}

TEST_F(ArchiveTest, AVersionThatComesBackGetsAnotherTime) {
  archive_ = start_archive(config_, kHasty);
  ForceRecord record = version("v1");
  archive_->came_into_force(record);
  record.times = {{.since = "2025-11-24T02:00:03Z",
                   .generation = 9,
                   .kind = "rollback",
                   .reason = "too strict",
                   .by = "api",
                   .request_id = {}}};
  archive_->came_into_force(record);
  await_nothing_pending();
  ASSERT_THAT(contents().manifests, SizeIs(1));
  ASSERT_THAT(contents().manifests[0].record.times, SizeIs(2));
  EXPECT_EQ(contents().manifests[0].record.times[1].reason, "too strict");
}

TEST_F(ArchiveTest, WhatIsInTheWayHoldsUpNothingAndIsTriedAgain) {
  std::ofstream(config_.archive.folder) << "a file where the folder should be";
  archive_ = start_archive(config_, kHasty);
  archive_->came_into_force(version("v1"));
  archive_->came_into_force(version("v2"));
  wait_for([&] { return archive_->status().failures >= 3; });
  EXPECT_EQ(archive_->status().pending, 2U);
  EXPECT_THAT(archive_->wanted(), SizeIs(2)) << "their files must stay";
  fs::remove(config_.archive.folder);
  await_nothing_pending();
  EXPECT_THAT(contents().manifests, SizeIs(2));
  EXPECT_TRUE(archive_->wanted().empty());
}

TEST_F(ArchiveTest, AVersionWhoseFilesAreGoneDoesNotStandInTheWayOfOthers) {
  archive_ = start_archive(config_, kHasty);
  ForceRecord lost = version("v1");
  lost.sha256 = sha256_hex("nobody has these");
  archive_->came_into_force(lost);
  archive_->came_into_force(version("v2"));
  await_nothing_pending();
  ASSERT_THAT(contents().manifests, SizeIs(1));
  EXPECT_EQ(archive_->status().failures, 1U);
}

TEST_F(ArchiveTest, WhatWaitsIsBounded) {
  std::ofstream(config_.archive.folder) << "a file";
  archive_ =
      start_archive(config_, {.first_retry = 3600s, .last_retry = 3600s, .at_the_end = 60s, .after_cancel = 60s});
  for (std::size_t i = 0; i < kMostPending + 10; ++i) archive_->came_into_force(version("v" + std::to_string(i)));
  EXPECT_EQ(archive_->status().pending, kMostPending);
  EXPECT_GE(archive_->status().failures, 10U);
}

TEST_F(ArchiveTest, TheEndStoresWhatIsPendingOnceMore) {
  std::ofstream(config_.archive.folder) << "a file";
  archive_ =
      start_archive(config_, {.first_retry = 3600s, .last_retry = 3600s, .at_the_end = 60s, .after_cancel = 60s});
  archive_->came_into_force(version("v1"));
  wait_for([&] { return archive_->status().failures == 1; });
  archive_->stop();  // it has failed and ends with it
  EXPECT_EQ(archive_->status().pending, 1U);
  fs::remove(config_.archive.folder);
  archive_ = start_archive(config_, kHasty);
  archive_->came_into_force(version("v1"));
  archive_->stop();
  EXPECT_THAT(contents().manifests, SizeIs(1));
}

TEST_F(ArchiveTest, AThreadThatHangsIsLeftBehind) {
  // Opening a pipe that nobody writes to waits for ever, as a file system that is away does.
  const ForceRecord record = version("v1");
  const fs::path module = config_.data_dir / "modules" / (record.sha256 + ".wasm");
  fs::remove(module);
  ASSERT_EQ(::mkfifo(module.c_str(), 0600), 0);
  archive_ = start_archive(config_, {.first_retry = 1ms, .last_retry = 1ms, .at_the_end = 50ms, .after_cancel = 1ms});
  archive_->came_into_force(record);
  archive_->stop();
  EXPECT_EQ(archive_->status().pending, 1U);
  std::ofstream(module) << "";  // lets it go
}

}  // namespace
}  // namespace secbeat::agent
