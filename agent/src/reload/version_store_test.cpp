#include "version_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;

class VersionStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/store-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  VersionStore open() { return VersionStore::open(folder_ / "data").value(); }

  // A version of which every file is there.
  control::Version put(VersionStore& store, const std::string& bytes, const std::string& config) {
    control::Version version;
    version.id = ++last_id_;
    version.label = "v" + std::to_string(version.id);
    version.loaded_at = "2025-11-24T01:00:03Z";
    version.sha256 = sha256_hex(bytes);
    version.artifact_sha256 = sha256_hex("artifact of " + bytes);
    EXPECT_TRUE(store.put_module(version.sha256, bytes));
    EXPECT_TRUE(write_file_atomically(store.work_path("a"), "artifact of " + bytes));
    EXPECT_TRUE(store.adopt_artifact(store.work_path("a"), version.artifact_sha256));
    if (!config.empty()) {
      version.config_sha256 = sha256_hex(config);
      EXPECT_TRUE(store.put_config(version.config_sha256, config));
    }
    return version;
  }

  fs::path folder_;
  std::uint64_t last_id_ = 0;
};

mode_t mode_of(const fs::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 0777U;
}

TEST_F(VersionStoreTest, NothingIsInForceUntilADocumentIsWritten) {
  VersionStore store = open();
  EXPECT_FALSE(store.read_in_force().value());
  control::InForce document;
  document.generation = 7;
  ASSERT_TRUE(store.write_in_force(document));
  EXPECT_EQ(open().read_in_force().value(), document);
}

TEST_F(VersionStoreTest, ADamagedInForceFileIsTold) {
  const VersionStore store = open();
  ASSERT_TRUE(write_file_atomically(store.in_force_path(), "{\"generation\":"));
  const auto read = store.read_in_force();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kConfig);
  EXPECT_NE(read.error().message.find("in_force.json"), std::string::npos);
}

TEST_F(VersionStoreTest, WhatACrashLeftBetweenWriteAndRenameIsGoneAtTheNextOpen) {
  const VersionStore store = open();
  const auto left = store.in_force_path().parent_path() / ".tmp-in_force.json-a1b2c3";
  ASSERT_TRUE(write_file_atomically(left, "{"));
  open();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(VersionStoreTest, WorkersOfAnotherUserReachWhatTheyNeedAndOnlyThat) {
  VersionStore store = open();
  const control::Version version = put(store, "module", "config");
  EXPECT_EQ(mode_of(folder_ / "data"), 0755U);
  EXPECT_EQ(mode_of(folder_ / "data" / "artifacts"), 0755U);
  EXPECT_EQ(mode_of(folder_ / "data" / "configs"), 0755U);
  EXPECT_EQ(mode_of(folder_ / "data" / "modules"), 0700U);
  EXPECT_EQ(mode_of(folder_ / "data" / "counting"), 0700U);
  EXPECT_EQ(mode_of(folder_ / "data" / "work"), 0700U);
  EXPECT_EQ(mode_of(store.artifact_path(version.artifact_sha256)), 0644U);
  EXPECT_EQ(mode_of(store.config_path(version.config_sha256)), 0644U);
}

TEST_F(VersionStoreTest, GivesBackTheBytesAndRefusesDamagedOnes) {
  VersionStore store = open();
  const control::Version version = put(store, "module", "config");
  EXPECT_EQ(store.module_bytes(version.sha256).value(), "module");
  EXPECT_EQ(store.config_bytes(version.config_sha256).value(), "config");
  EXPECT_EQ(store.artifact_bytes(version.artifact_sha256).value(), "artifact of module");
  ASSERT_TRUE(write_file_atomically(store.artifact_path(version.artifact_sha256), "artifact of modulf"));
  EXPECT_EQ(store.artifact_bytes(version.artifact_sha256).error().code, ErrorCode::kIo);
}

TEST_F(VersionStoreTest, ADamagedFileIsReplacedWhenTheBytesComeAgain) {
  VersionStore store = open();
  const control::Version version = put(store, "module", "");
  ASSERT_TRUE(write_file_atomically(store.module_path(version.sha256), "damaged"));
  ASSERT_TRUE(store.put_module(version.sha256, "module"));
  EXPECT_EQ(store.module_bytes(version.sha256).value(), "module");
}

TEST_F(VersionStoreTest, AnArtifactThatIsNotWhatItsReportSaysIsNotTaken) {
  VersionStore store = open();
  ASSERT_TRUE(write_file_atomically(store.work_path("a"), "artifact"));
  EXPECT_FALSE(store.adopt_artifact(store.work_path("a"), sha256_hex("another")));
  EXPECT_FALSE(store.adopt_artifact(store.work_path("a"), "../../in_force.json"));
  EXPECT_TRUE(fs::is_empty(folder_ / "data" / "artifacts"));
}

TEST_F(VersionStoreTest, FilesThatNoDocumentNamesGoAndTheOthersStay) {
  VersionStore store = open();
  control::Slot slot;
  slot.versions = {put(store, "second", "c2"), put(store, "first", "c1")};
  const control::Version gone = put(store, "third", "c3");
  ASSERT_TRUE(write_file_atomically(store.work_path("module.wasm"), "left by a crash"));
  control::InForce document;
  document.slots = {slot};
  store.collect_garbage(std::span(&document, 1));
  for (const control::Version& version : slot.versions) {
    EXPECT_TRUE(store.module_bytes(version.sha256));
    EXPECT_TRUE(store.artifact_bytes(version.artifact_sha256));
    EXPECT_TRUE(store.config_bytes(version.config_sha256));
  }
  EXPECT_FALSE(store.has_module(gone.sha256));
  EXPECT_FALSE(fs::exists(store.artifact_path(gone.artifact_sha256)));
  EXPECT_FALSE(fs::exists(store.config_path(gone.config_sha256)));
  EXPECT_TRUE(fs::is_empty(folder_ / "data" / "work"));
}

TEST_F(VersionStoreTest, ArtifactsThatCountStayWithTheirModuleAndGoWithTheAgent) {
  VersionStore store = open();
  control::Slot slot;
  slot.versions = {put(store, "one", "c1")};
  const std::string kept = slot.versions[0].sha256;
  const std::string gone = sha256_hex("another");
  for (const std::string& module : {kept, gone}) {
    ASSERT_TRUE(write_file_atomically(store.work_path("counting.cwasm"), "counts"));
    ASSERT_TRUE(store.keep_counting(store.work_path("counting.cwasm"), module));
    EXPECT_TRUE(store.has_counting(module));
  }
  EXPECT_FALSE(store.keep_counting(store.work_path("counting.cwasm"), gone)) << "there is none";
  control::InForce document;
  document.slots = {slot};
  store.collect_garbage(std::span(&document, 1));
  EXPECT_TRUE(store.has_counting(kept));
  EXPECT_FALSE(store.has_counting(gone));
  open();
  EXPECT_FALSE(store.has_counting(kept));
}

TEST_F(VersionStoreTest, WhatACrashLeftInWorkIsGoneAtTheNextOpen) {
  ASSERT_TRUE(write_file_atomically(open().work_path("module.wasm"), "half"));
  open();
  EXPECT_TRUE(fs::is_empty(folder_ / "data" / "work"));
}

}  // namespace
}  // namespace secbeat::agent
