// An archive in a folder: what is put there is found again, what is wrong with it is told.
#include "secbeat/archive/version_archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "secbeat/base/files.hpp"

namespace secbeat::archive {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace fs = std::filesystem;

class VersionArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/archive-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override { fs::remove_all(base_); }

  static Manifest manifest(const std::string& label, const std::string& bytes, const std::string& config = "",
                           const std::string& node = "node-1") {
    return {.node = node,
            .record = {.module = "waf",
                       .label = label,
                       .sha256 = sha256_hex(bytes),
                       .size_bytes = bytes.size(),
                       .config_sha256 = config.empty() ? "" : sha256_hex(config),
                       .created_at = "2025-11-24T01:00:03Z",
                       .times = {}},
            .config_size_bytes = config.size()};
  }
  static InForceTime time(std::uint64_t generation, const std::string& since = "2025-11-24T01:00:03Z") {
    return {.since = since, .generation = generation, .kind = "reload", .reason = {}, .by = {}, .request_id = {}};
  }
  void put(const Manifest& manifest, const std::string& bytes, const std::string& config = "") {
    ASSERT_TRUE(archive().put_module(manifest.record.sha256, bytes));
    if (!config.empty()) {
      ASSERT_TRUE(archive().put_config(manifest.record.config_sha256, config));
    }
    const auto done = archive().put_manifest(manifest);
    ASSERT_TRUE(done) << done.error().message;
  }
  [[nodiscard]] fs::path folder() const { return base_ / "srv" / "archive"; }
  [[nodiscard]] VersionArchive archive() const { return VersionArchive(open_storage({.folder = folder()})); }
  void write(const std::string& file, std::string_view bytes) const {
    fs::create_directories((folder() / file).parent_path());
    std::ofstream(folder() / file) << bytes;
  }
  [[nodiscard]] std::string problems() const {
    const auto verdict = archive().verify();
    if (!verdict) return verdict.error().message;
    std::string text;
    for (const ArchiveProblem& problem : verdict->contents.problems) text += problem.file + " " + problem.what + "\n";
    return text;
  }

  fs::path base_;
};

TEST_F(VersionArchiveTest, GivesBackWhatWasPutIntoIt) {
  put(manifest("v1", "bytes", "{}"), "bytes", "{}");
  const auto contents = archive().list();
  ASSERT_TRUE(contents) << contents.error().message;
  ASSERT_THAT(contents->manifests, SizeIs(1));
  EXPECT_EQ(contents->manifests[0], manifest("v1", "bytes", "{}"));
  EXPECT_EQ(archive().module_bytes(sha256_hex("bytes")), "bytes");
  EXPECT_EQ(archive().config_bytes(sha256_hex("{}")), "{}");
  EXPECT_EQ(problems(), "");
  EXPECT_TRUE(fs::exists(folder() / "manifests" / "waf" / "v1@node-1.json"));
}

TEST_F(VersionArchiveTest, TimesOfOneVersionComeTogether) {
  Manifest first = manifest("v1", "bytes");
  first.record.times = {time(1)};
  put(first, "bytes");
  put(first, "bytes");
  first.record.times = {time(3, "2025-11-24T01:00:09Z"), time(1)};
  put(first, "bytes");
  const auto contents = archive().list();
  ASSERT_THAT(contents->manifests, SizeIs(1));
  EXPECT_THAT(contents->manifests[0].record.times, ::testing::ElementsAre(time(1), time(3, "2025-11-24T01:00:09Z")));
}

TEST_F(VersionArchiveTest, WhatBecameOfARequestLaterReplacesWhatItWas) {
  Manifest first = manifest("v1", "bytes");
  first.record.times = {time(7)};
  first.record.times[0].request_id = "rollout-1";
  put(first, "bytes");
  first.record.times[0].since = "2025-11-24T02:00:00Z";
  first.record.times[0].kind = "reverted";
  put(first, "bytes");
  const auto contents = archive().list();
  ASSERT_THAT(contents->manifests, SizeIs(1));
  EXPECT_EQ(contents->manifests[0].record.times, first.record.times);
}

TEST_F(VersionArchiveTest, ASignatureThatComesLaterIsEntered) {
  Manifest one = manifest("v1", "bytes");
  put(one, "bytes");
  one.record.signature = "secbeat-signature-1\n";
  put(one, "bytes");
  put(manifest("v1", "bytes"), "bytes");
  const auto contents = archive().list();
  ASSERT_THAT(contents->manifests, SizeIs(1));
  EXPECT_EQ(contents->manifests[0].record.signature, one.record.signature);
}

TEST_F(VersionArchiveTest, OnlyTheNewestOfOneNodeAreRead) {
  put(manifest("v1", "bytes", "", "fleet"), "bytes");
  put(manifest("v2", "bytes", "", "fleet"), "bytes");
  put(manifest("v2", "bytes", "", "fleet-2"), "bytes");
  fs::last_write_time(folder() / "manifests/waf/v1@fleet.json",
                      fs::file_time_type::clock::now() + std::chrono::hours(1));
  write("manifests/waf/v3@node-1.json", "{");
  const auto one = archive().list_newest_of("fleet", 1);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_THAT(one->problems, IsEmpty());
  ASSERT_THAT(one->manifests, SizeIs(1));
  EXPECT_EQ(one->manifests[0].record.label, "v1");
  EXPECT_THAT(archive().list_newest_of("fleet", 64)->manifests, SizeIs(2));
}

TEST_F(VersionArchiveTest, KeepsTheNewestTimes) {
  Manifest many = manifest("v1", "bytes");
  for (std::uint64_t i = 1; i <= kMaxManifestTimes + 5; ++i) many.record.times.push_back(time(i));
  put(many, "bytes");
  const auto contents = archive().list();
  ASSERT_THAT(contents->manifests, SizeIs(1));
  ASSERT_THAT(contents->manifests[0].record.times, SizeIs(kMaxManifestTimes));
  EXPECT_EQ(contents->manifests[0].record.times.front().generation, 6U);
}

TEST_F(VersionArchiveTest, AnotherVersionOfTheSameLabelReplacesNothing) {
  put(manifest("v1", "bytes"), "bytes");
  put(manifest("v1", "other"), "other");
  put(manifest("v1", "bytes", "", "node-2"), "bytes");
  put(manifest("v1", "other"), "other");
  EXPECT_THAT(archive().list()->manifests, SizeIs(3));
  for (const char* name : {"v1@node-1.json", "v1@node-1~2.json", "v1@node-2.json"}) {
    EXPECT_TRUE(fs::exists(folder() / "manifests" / "waf" / name)) << name;
  }
  EXPECT_EQ(problems(), "");
}

TEST_F(VersionArchiveTest, ADamagedManifestIsToldAndLeftAsItIs) {
  put(manifest("v1", "bytes"), "bytes");
  write("manifests/waf/v1@node-1.json", "{");
  EXPECT_EQ(problems(), "manifests/waf/v1@node-1.json no JSON at byte 2\n");
  put(manifest("v1", "bytes"), "bytes");
  EXPECT_THAT(archive().list()->manifests, SizeIs(1)) << "under another number";
  EXPECT_EQ(read_file(folder() / "manifests/waf/v1@node-1.json", 10), "{");
}

TEST_F(VersionArchiveTest, DamagedContentIsToldAndPutAgain) {
  put(manifest("v1", "bytes", "{}"), "bytes", "{}");
  write("modules/" + sha256_hex("bytes") + ".wasm", "bytez");
  fs::remove(folder() / config_key(sha256_hex("{}")));
  EXPECT_THAT(problems(), HasSubstr("modules/" + sha256_hex("bytes") + ".wasm " + folder().string()));
  EXPECT_THAT(problems(), HasSubstr("is missing or damaged, and waf v1 on node-1 needs it"));
  EXPECT_THAT(problems(), HasSubstr("configs/" + sha256_hex("{}") + ".json is missing or damaged"));
  EXPECT_FALSE(archive().module_bytes(sha256_hex("bytes")));
  put(manifest("v1", "bytes", "{}"), "bytes", "{}");
  EXPECT_EQ(problems(), "");
}

TEST_F(VersionArchiveTest, AManifestInAnotherPlaceOrOfAnotherSizeIsAProblem) {
  put(manifest("v1", "bytes"), "bytes");
  const std::string text = to_json(manifest("v1", "bytes"));
  write("manifests/other/v1@node-1.json", text);
  write("manifests/waf/v2@node-1.json", text);
  Manifest sized = manifest("v3", "bytes");
  sized.record.size_bytes = 6;
  write("manifests/waf/v3@node-1.json", to_json(sized));
  write("manifests/waf/notes.txt", "x");
  fs::create_directories(folder() / "manifests" / "waf" / "folder.json");
  const std::string told = problems();
  EXPECT_THAT(told, HasSubstr("manifests/other/v1@node-1.json it is the manifest of waf v1 on node-1, which has"));
  EXPECT_THAT(told, HasSubstr("manifests/waf/v2@node-1.json it is the manifest of waf v1"));
  EXPECT_THAT(told, HasSubstr("has 5 bytes; the manifest of waf v3 on node-1 says 6"));
  EXPECT_THAT(told, HasSubstr("manifests/waf/notes.txt no JSON"));
  EXPECT_THAT(told, HasSubstr("folder.json is not a regular file"));
}

TEST_F(VersionArchiveTest, LeftoversAreNotesAndNoProblems) {
  put(manifest("v1", "bytes"), "bytes");
  ASSERT_TRUE(archive().put_module(sha256_hex("unnamed"), "unnamed"));
  write("modules/.tmp-x", "half");
  write("modules/README", "x");
  const auto verdict = archive().verify();
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->contents.problems, IsEmpty());
  EXPECT_THAT(verdict->notes, SizeIs(3));
  EXPECT_EQ(verdict->modules, 2U);
}

TEST_F(VersionArchiveTest, NothingFromOutsideBecomesAPath) {
  EXPECT_EQ(archive().module_bytes("../../etc/passwd").error().code, ErrorCode::kBadRequest);
  EXPECT_EQ(archive().config_bytes("").error().code, ErrorCode::kBadRequest);
  EXPECT_EQ(archive().put_module("../x", "bytes").error().code, ErrorCode::kBadRequest);
  EXPECT_EQ(archive().put_config(sha256_hex("other"), "{}").error().code, ErrorCode::kBadRequest);
  for (const char* name : {"../x", "", ".", "a/b"}) {
    Manifest bad = manifest("v1", "bytes");
    bad.record.label = name;
    EXPECT_EQ(archive().put_manifest(bad).error().code, ErrorCode::kBadRequest) << name;
    bad = manifest("v1", "bytes");
    bad.record.module = name;
    EXPECT_EQ(archive().put_manifest(bad).error().code, ErrorCode::kBadRequest) << name;
    bad = manifest("v1", "bytes");
    bad.node = name;
    EXPECT_EQ(archive().put_manifest(bad).error().code, ErrorCode::kBadRequest) << name;
  }
}

TEST_F(VersionArchiveTest, NoFolderIsSaidAndAnEmptyOneIsEmpty) {
  EXPECT_THAT(archive().list().error().message, HasSubstr("there is no archive at"));
  EXPECT_FALSE(archive().verify());
  fs::create_directories(folder());
  EXPECT_THAT(archive().list()->manifests, IsEmpty());
  EXPECT_EQ(problems(), "");
}

TEST_F(VersionArchiveTest, WhereTheFolderCannotBeMadeTheReasonIsTold) {
  fs::create_directories(base_ / "srv");
  std::ofstream(base_ / "srv" / "archive") << "a file";
  EXPECT_THAT(archive().put_module(sha256_hex("x"), "x").error().message, HasSubstr("cannot make the folder"));
  EXPECT_THAT(archive().put_manifest(manifest("v1", "x")).error().message, HasSubstr("cannot make the folder"));
}

}  // namespace
}  // namespace secbeat::archive
