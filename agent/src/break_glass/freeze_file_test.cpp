#include "freeze_file.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fstream>

namespace secbeat::agent {
namespace {

const control::Statement kFreeze{
    .since_unix_ms = 1763946003000, .until_unix_ms = 0, .by = "api", .reason = "incident \"4711\"\xff"};

class FreezeFileTest : public ::testing::Test {
 protected:
  FreezeFileTest() {
    spdlog::set_level(spdlog::level::off);
    std::string name = (std::filesystem::temp_directory_path() / "secbeat-freeze-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FreezeFileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(FreezeFileTest, IsThereWhileChangesAreFrozen) {
  const auto file = freeze_file(folder_);
  EXPECT_FALSE(read_freeze_file(file));
  ASSERT_TRUE(write_freeze_file(file, kFreeze));
  const auto read = read_freeze_file(file);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->since_unix_ms, kFreeze.since_unix_ms);
  EXPECT_EQ(read->reason, "incident \"4711\"\xef\xbf\xbd") << "what is not UTF-8 is replaced";
  ASSERT_TRUE(write_freeze_file(file, std::nullopt));
  EXPECT_FALSE(read_freeze_file(file));
  EXPECT_TRUE(write_freeze_file(file, std::nullopt)) << "it is gone already";
}

TEST_F(FreezeFileTest, ADamagedFileFreezes) {
  const auto file = freeze_file(folder_);
  std::ofstream(file) << "{\"format\":1,";
  EXPECT_TRUE(read_freeze_file(file));
}

TEST_F(FreezeFileTest, CannotBeWrittenWhereThereIsNoFolder) {
  EXPECT_FALSE(write_freeze_file(folder_ / "none" / "freeze.json", kFreeze));
}

TEST_F(FreezeFileTest, RefusesWhatIsNoSuchDocument) {
  for (const char* text :
       {"", "null", "[]", "{}", R"({"format":2,"since_unix_ms":1,"until_unix_ms":0,"by":"","reason":""})",
        R"({"format":1,"since_unix_ms":-1,"until_unix_ms":0,"by":"","reason":""})",
        R"({"format":1,"since_unix_ms":0,"until_unix_ms":0,"by":"","reason":""})",
        R"({"format":1,"since_unix_ms":1,"until_unix_ms":0,"by":7,"reason":""})",
        R"({"format":1,"since_unix_ms":1,"by":"","reason":""})"}) {
    EXPECT_FALSE(freeze_from_json(text)) << text;
  }
  EXPECT_TRUE(freeze_from_json(freeze_to_json(kFreeze)));
}

}  // namespace
}  // namespace secbeat::agent
