#include "reached.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

class ReachedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "reached-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    file_ = folder_ / "fleet.json";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(ReachedTest, WhatIsSetIsThereForTheNextAgent) {
  const ReachedRevision committed{.revision = 4, .ahead = true, .sha256 = "ab", .rollout = "r1"};
  ASSERT_TRUE(Reached(file_).set("m", committed));
  EXPECT_EQ(Reached(file_).of("m"), committed);
  EXPECT_EQ(Reached(file_).of("another"), ReachedRevision{});
}

TEST_F(ReachedTest, NeverGoesBackToAnOlderRevision) {
  Reached reached(file_);
  ASSERT_TRUE(reached.set("m", {.revision = 4, .ahead = true}));
  ASSERT_TRUE(reached.set("m", {.revision = 3}));
  EXPECT_EQ(reached.of("m"), ReachedRevision{.revision = 4});
  EXPECT_EQ(Reached(file_).of("m").revision, 4U);
}

TEST_F(ReachedTest, ARolloutThatWasTakenBackIsRemembered) {
  Reached reached(file_);
  EXPECT_FALSE(reached.was_reverted("r1"));
  for (const char* rollout : {"r1", "r2", "r1"}) ASSERT_TRUE(reached.note_revert(rollout));
  ASSERT_TRUE(reached.set("m", {.revision = 4}));
  EXPECT_TRUE(Reached(file_).was_reverted("r1"));
  EXPECT_TRUE(Reached(file_).was_reverted("r2"));
  EXPECT_FALSE(Reached(file_).was_reverted("r3"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(reached.note_revert("x" + std::to_string(i)));
  EXPECT_FALSE(Reached(file_).was_reverted("r1")) << "not for ever";
  EXPECT_TRUE(Reached(file_).was_reverted("x99"));
}

TEST_F(ReachedTest, AFileThatCannotBeReadIsAsNone) {
  for (const std::string_view text :
       {"", "{", "[]", R"({"reached":5})", R"({"reached":{"m":4}})", R"({"reached":{"m":{"revision":"4"}}})",
        R"({"reached":{"a":{"revision":1},"m":{"revision":-1,"ahead":4}}})", R"({"reached":{},"reverted":4})",
        R"({"reached":{"m":{"revision":1}},"reverted":[4]})"}) {
    ASSERT_TRUE(write_file_atomically(file_, text, 0600));
    Reached reached(file_);
    EXPECT_EQ(reached.of("m"), ReachedRevision{}) << text;
    EXPECT_TRUE(reached.set("m", {.revision = 1}));
    EXPECT_EQ(Reached(file_).of("m").revision, 1U);
  }
}

TEST_F(ReachedTest, AFileHoldsNoMoreRevertsThanAreKept) {
  std::string text = R"({"reached":{},"reverted":["r0")";
  for (int i = 1; i < 100; ++i) text += ",\"r" + std::to_string(i) + '"';
  const auto notes = reached_notes_from_json(text + "]}");
  ASSERT_TRUE(notes) << notes.error().message;
  EXPECT_EQ(notes->reverted.front(), "r68");
  EXPECT_EQ(notes->reverted.back(), "r99");
  EXPECT_EQ(reached_notes_from_json(to_json(*notes)).value(), *notes);
}

TEST_F(ReachedTest, WhyAFileCannotBeReadIsAShortSentence) {
  for (const std::string& text :
       {R"({"reached":)" + std::string(9000, 'x'), R"({"reached":)" + std::string(9000, '9') + "e999}",
        std::string(R"({"reached":[{"revision":1}]})")}) {
    const auto notes = reached_notes_from_json(text);
    ASSERT_FALSE(notes);
    EXPECT_LT(notes.error().message.size(), 200U);
  }
}

}  // namespace
}  // namespace secbeat::agent
