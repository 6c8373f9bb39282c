#include "watch_notes.hpp"

#include <gtest/gtest.h>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::counted;
using testing::WatchTest;

WatchNotes some() {
  return {
      {"waf",
       {.version_id = 7, .state = WatchState::kRunning, .baseline = counted({.allowed = 3, .traps = 1, .seconds = 7})}},
      {"other", {.version_id = 9, .state = WatchState::kEnded, .baseline = std::nullopt}}};
}

TEST(WatchNotesTest, WhatWasWrittenIsRead) { EXPECT_EQ(watch_notes_from_json(to_json(some())), some()); }

TEST(WatchNotesTest, EveryTruncationIsNoNotes) {
  const std::string text = to_json(some());
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    EXPECT_EQ(watch_notes_from_json(std::string_view(text).substr(0, size)), std::nullopt) << size;
  }
}

TEST(WatchNotesTest, WhatIsNotOursIsNoNotes) {
  for (const char* text :
       {"", "null", "[]", "7", R"({"format":2,"modules":{}})", R"({"format":1})", R"({"format":1,"modules":[]})",
        R"({"format":1,"modules":{"a":7}})", R"({"format":1,"modules":{"a":{"version_id":-1,"state":"ended"}}})",
        R"({"format":1,"modules":{"a":{"version_id":1,"state":"odd"}}})",
        R"({"format":1,"modules":{"a":{"state":"ended"}}})",
        R"({"format":1,"modules":{"a":{"version_id":1,"state":"ended","baseline":{"verdicts":[1]}}}})",
        R"({"format":1,"modules":{"a":{"version_id":1,"state":"ended","baseline":{"verdicts":["1",0,0,0]}}}})"}) {
    EXPECT_EQ(watch_notes_from_json(text), std::nullopt) << text;
  }
  // More milliseconds than there are would become a time before it began.
  std::string text = to_json(some());
  const std::size_t time = text.find("\"time_ms\":") + 10;
  text.replace(time, text.find_first_of(",}", time) - time, "18446744073709551615");
  EXPECT_EQ(watch_notes_from_json(text), std::nullopt) << text;
}

TEST_F(WatchTest, ADamagedFileOfNotesIsNone) {
  const auto file = config_.data_dir / "watches.json";
  EXPECT_EQ(read_watch_notes(file), WatchNotes{});
  ASSERT_TRUE(write_watch_notes(file, some()));
  EXPECT_EQ(read_watch_notes(file), some());
  ASSERT_TRUE(write_file_unsynced(file, "{"));
  EXPECT_EQ(read_watch_notes(file), WatchNotes{});
}

}  // namespace
}  // namespace secbeat::agent
