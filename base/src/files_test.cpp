#include "secbeat/base/files.hpp"

#include "secbeat/base/content_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace secbeat {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/files-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FilesTest, WritesAndReadsBackTheSameBytes) {
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_file_atomically(folder_ / "f", bytes));
  EXPECT_EQ(read_file(folder_ / "f", 100).value(), bytes);
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNoTemporaryOne) {
  ASSERT_TRUE(write_file_atomically(folder_ / "f", "old"));
  std::filesystem::create_directory(folder_ / "folder");
  EXPECT_FALSE(write_file_atomically(folder_ / "folder", "a folder cannot be replaced"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
  EXPECT_EQ(read_file(folder_ / "f", 100).value(), "old");
}

TEST_F(FilesTest, AFileOverTheLimitIsRefusedAndOneAtTheLimitIsNot) {
  ASSERT_TRUE(write_file_atomically(folder_ / "f", "12345"));
  EXPECT_EQ(read_file(folder_ / "f", 4).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read_file(folder_ / "f", 5).value(), "12345");
}

TEST_F(FilesTest, AMissingFileOrAFolderIsAnIoErrorThatNamesIt) {
  EXPECT_NE(read_file(folder_ / "none", 5).error().message.find("none"), std::string::npos);
  EXPECT_EQ(read_file(folder_, 5).error().code, ErrorCode::kIo);
}

TEST_F(FilesTest, AnUnsyncedFileIsWholeForReadersAndCanBeSyncedLater) {
  ASSERT_TRUE(write_file_unsynced(folder_ / "f", "abc", 0600));
  EXPECT_EQ(read_file(folder_ / "f", 100).value(), "abc");
  const std::array<std::filesystem::path, 2> files{folder_ / "f", folder_ / "removed-since"};
  EXPECT_TRUE(sync_files(files));
  const std::array<std::filesystem::path, 1> no_file{folder_ / "f" / "below-a-file"};
  EXPECT_NE(sync_files(no_file).error().message.find("below-a-file"), std::string::npos);
}

TEST_F(FilesTest, AFolderThatIsNotThereHasNoEntries) {
  ASSERT_TRUE(write_file_unsynced(folder_ / "one", "1"));
  ASSERT_TRUE(write_file_unsynced(folder_ / "two", "2"));
  EXPECT_THAT(entries_of(folder_), ::testing::UnorderedElementsAre(folder_ / "one", folder_ / "two"));
  EXPECT_TRUE(entries_of(folder_ / "three").empty());
  EXPECT_TRUE(entries_of("/proc/1/fd/0").empty()) << "not a folder";
}

TEST_F(FilesTest, SealedMemoryCannotBeWrittenOrResized) {
  const auto fd = seal_in_memory("test", "abc");
  ASSERT_TRUE(fd) << fd.error().message;
  EXPECT_EQ(::pwrite(fd->get(), "x", 1, 0), -1);
  EXPECT_EQ(::ftruncate(fd->get(), 0), -1);
  EXPECT_EQ(::ftruncate(fd->get(), 10), -1);
}

TEST_F(FilesTest, ContentIsWhatItsNameSays) {
  const std::string name = sha256_hex("abc");
  ASSERT_TRUE(write_file_unsynced(folder_ / name, "abc"));
  EXPECT_EQ(read_content(folder_ / name, name, 100), "abc");
  ASSERT_TRUE(write_file_unsynced(folder_ / name, "abd"));
  EXPECT_EQ(read_content(folder_ / name, name, 100).error().code, ErrorCode::kIo);
  EXPECT_EQ(read_content(folder_ / name, name, 2).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read_content(folder_ / name, "../" + name, 100).error().code, ErrorCode::kBadRequest);
}

TEST(Sha256, IsSixtyFourLowerCaseHexadecimalDigits) {
  const std::string good(64, 'a');
  EXPECT_TRUE(is_sha256(good));
  for (const std::string& bad :
       {good + "a", good.substr(1), std::string(64, 'A'), std::string(64, 'g'), std::string()}) {
    EXPECT_FALSE(is_sha256(bad)) << bad;
  }
}

TEST(Sha256, AgreesWithThePublishedVectors) {  // FIPS 180-2, appendix B
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace secbeat
