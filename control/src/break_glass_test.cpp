#include "secbeat/control/break_glass.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace secbeat::control {
namespace {

constexpr std::uint64_t kNow = 1'763'946'003'000;
constexpr std::uint64_t kMinute = 60'000;
constexpr std::uint64_t kBoot = 5'000'000;

class BreakGlassTest : public ::testing::Test {
 protected:
  std::unique_ptr<BreakGlassArea> made_ = std::make_unique<BreakGlassArea>();
  BreakGlassArea& area_ = *made_;
};

Statement statement(std::uint64_t until, const std::string& reason = "checkout is blocked") {
  return {.since_unix_ms = kNow, .until_unix_ms = until, .by = "root", .reason = reason};
}

TEST_F(BreakGlassTest, NothingIsInEffectAtFirst) {
  EXPECT_TRUE(Flags::of(area_).none());
  EXPECT_FALSE(bypass_of(area_, {kNow, kBoot}));
  EXPECT_FALSE(freeze_of(area_, kNow));
  EXPECT_TRUE(taken_back(area_).empty());
  EXPECT_TRUE(waiting_notes(area_).empty());
}

TEST_F(BreakGlassTest, ABypassEndsByItself) {
  begin_bypass(area_, statement(kNow + kMinute), 0);
  EXPECT_TRUE(Flags::of(area_).bypassed(kNow));
  EXPECT_EQ(bypass_of(area_, {kNow, kBoot}), statement(kNow + kMinute));
  EXPECT_TRUE(Flags::of(area_).bypassed(kNow + kMinute - 1));
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow + kMinute));
  EXPECT_FALSE(bypass_of(area_, {kNow + kMinute, kBoot}));
  EXPECT_TRUE(last_bypass_of(area_)) << "whoever looks later sees that there was one";
}

TEST_F(BreakGlassTest, ABypassOfMoreThanADayIsNone) {
  begin_bypass(area_, statement(UINT64_MAX), 0);
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow));
  // A clock that is set back does not make one longer either.
  begin_bypass(area_, statement(kNow + kMinute), 0);
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow - 2 * 24 * 60 * kMinute));
}

TEST_F(BreakGlassTest, ABypassEndsWhateverTheWallClockSays) {
  begin_bypass(area_, statement(kNow + kMinute), kBoot + kMinute);
  EXPECT_TRUE(bypass_of(area_, {kNow - 60 * kMinute, kBoot + kMinute - 1}));
  EXPECT_FALSE(bypass_of(area_, {kNow - 60 * kMinute, kBoot + kMinute}));
  EXPECT_FALSE(bypass_of(area_, {kNow + kMinute, kBoot})) << "set forward, it ends sooner";
  constexpr std::uint64_t kLongAgo = 30 * 24 * 60 * kMinute;  // that the machine was up before it started again
  begin_bypass(area_, statement(kNow + kMinute), kLongAgo);
  EXPECT_FALSE(bypass_of(area_, {kNow, kBoot}));
}

TEST_F(BreakGlassTest, ABypassIsEndedEarlyAndLeavesVersionsTakenBack) {
  begin_bypass(area_, statement(kNow + kMinute), 0);
  ASSERT_TRUE(take_back(area_, 7));
  end_bypass(area_);
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow));
  EXPECT_FALSE(last_bypass_of(area_));
  EXPECT_TRUE(Flags::of(area_).some_taken_back());
}

TEST_F(BreakGlassTest, WhoEndsABypassThatIsOverDoesNotEndTheNextOne) {
  begin_bypass(area_, statement(kNow + kMinute), 0);
  begin_bypass(area_, statement(kNow + 2 * kMinute), 0);
  EXPECT_FALSE(end_bypass_until(area_, kNow + kMinute));
  EXPECT_TRUE(Flags::of(area_).bypassed(kNow));
  EXPECT_TRUE(end_bypass_until(area_, kNow + 2 * kMinute));
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow));
  EXPECT_FALSE(end_bypass_until(area_, 0));
}

TEST_F(BreakGlassTest, VersionsAreTakenBackEachForItself) {
  begin_bypass(area_, statement(kNow + kMinute), 0);
  EXPECT_TRUE(take_back(area_, 7));
  EXPECT_TRUE(take_back(area_, 9));
  EXPECT_TRUE(take_back(area_, 7));
  EXPECT_EQ(taken_back(area_), (std::vector<std::uint64_t>{7, 9}));
  EXPECT_TRUE(is_taken_back(area_, 9));
  EXPECT_FALSE(is_taken_back(area_, 8));
  let_decide_again(area_, 7);
  EXPECT_TRUE(Flags::of(area_).some_taken_back());
  let_decide_again(area_, 9);
  EXPECT_FALSE(Flags::of(area_).some_taken_back());
  EXPECT_TRUE(Flags::of(area_).bypassed(kNow));
}

TEST_F(BreakGlassTest, MoreVersionsThanThereIsRoomForAreRefused) {
  for (std::uint64_t id = 1; id <= kMaxTakenBack; ++id) EXPECT_TRUE(take_back(area_, id));
  EXPECT_FALSE(take_back(area_, kMaxTakenBack + 1));
  EXPECT_TRUE(take_back(area_, 3)) << "it is there already";
}

TEST_F(BreakGlassTest, AFreezeLastsUntilItsEndOrUntilItIsLifted) {
  freeze(area_, statement(0));
  EXPECT_EQ(freeze_of(area_, kNow + 1000 * kMinute), statement(0));
  unfreeze(area_);
  EXPECT_FALSE(last_freeze_of(area_));
  freeze(area_, statement(kNow + kMinute));
  EXPECT_TRUE(freeze_of(area_, kNow));
  EXPECT_FALSE(freeze_of(area_, kNow + kMinute));
}

TEST_F(BreakGlassTest, WhoEndsAFreezeThatIsOverDoesNotEndTheNextOne) {
  freeze(area_, statement(kNow + kMinute));
  const Statement seen = *last_freeze_of(area_);
  Statement next = statement(0, "the next one");
  next.since_unix_ms = kNow + kMinute;
  freeze(area_, next);
  EXPECT_FALSE(unfreeze_if(area_, seen));
  EXPECT_EQ(last_freeze_of(area_), next);
  EXPECT_TRUE(unfreeze_if(area_, next));
  EXPECT_FALSE(last_freeze_of(area_));
}

TEST_F(BreakGlassTest, AWriterThatDiedInTheMiddleHoldsNobodyUp) {
  area_.freeze.sequence = 7;
  freeze(area_, statement(0));
  EXPECT_EQ(freeze_of(area_, kNow), statement(0));
  EXPECT_EQ(area_.freeze.sequence.load() % 2, 0U);
}

TEST_F(BreakGlassTest, TwoWritersDoNotMixWhatTheySay) {
  constexpr int kRounds = 2000;
  const auto write_all = [&](const std::string& name) {
    for (std::uint64_t i = 1; i <= kRounds; ++i) freeze(area_, {i, 0, name, name + std::string(200, name[0])});
  };
  {
    const std::jthread first([&] { write_all("a"); });
    const std::jthread second([&] { write_all("b"); });
  }
  const Statement last = last_freeze_of(area_).value();
  EXPECT_EQ(last.reason, last.by + std::string(200, last.by.front()));
  EXPECT_EQ(area_.freeze.sequence.load(), 4U * kRounds) << "each had its turn";
}

TEST_F(BreakGlassTest, NotesWaitInTheOrderInWhichTheyWereMade) {
  Note later{.action = Action::kBypass, .version_id = 0, .statement = statement(kNow + kMinute, "second")};
  later.statement.since_unix_ms = kNow + 1;
  const Note sooner{.action = Action::kRollback, .version_id = 12, .statement = statement(0, "first")};
  ASSERT_TRUE(add_note(area_, later));
  ASSERT_TRUE(add_note(area_, sooner));
  const auto notes = waiting_notes(area_);
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0].note, sooner);
  EXPECT_EQ(notes[1].note, later);
  clear_note(area_, notes[0].place);
  EXPECT_EQ(waiting_notes(area_).size(), 1U);
}

TEST_F(BreakGlassTest, NotesThatNobodyReadsAreBounded) {
  const Note note{.action = Action::kFreeze, .version_id = 0, .statement = statement(0)};
  for (std::size_t i = 0; i < kMaxNotes; ++i) EXPECT_TRUE(add_note(area_, note));
  EXPECT_FALSE(add_note(area_, note));
}

TEST_F(BreakGlassTest, LongTextsAreCutAtACharacter) {
  std::string reason(kMaxReasonBytes - 2, 'a');
  reason += "\u00e4\u00e4";
  freeze(area_, statement(0, reason));
  EXPECT_EQ(freeze_of(area_, kNow)->reason, std::string(kMaxReasonBytes - 2, 'a'));
}

TEST_F(BreakGlassTest, TextsCannotStartLinesOfALog) {
  freeze(area_, statement(0, "one\r\n2026-11-26 info all is well\x1b[2J\x7f"));
  EXPECT_EQ(freeze_of(area_, kNow)->reason, "one??2026-11-26 info all is well?[2J?");
}

// Any bytes are what somebody else may have written.
TEST_F(BreakGlassTest, GarbageIsReadWithoutHarm) {
  auto* bytes = reinterpret_cast<std::atomic<unsigned char>*>(&area_);
  for (std::size_t i = 0; i < sizeof area_; ++i) bytes[i].store(static_cast<unsigned char>(i * 131 + 1));
  EXPECT_LT(freeze_of(area_, 0).value_or(Statement{}).reason.size(), kMaxReasonBytes + 1);
  EXPECT_LE(waiting_notes(area_).size(), kMaxNotes);
  EXPECT_LE(taken_back(area_).size(), kMaxTakenBack);
  EXPECT_FALSE(Flags::of(area_).bypassed(kNow)) << "no number bypasses for longer than a day";
  end_bypass(area_);
  unfreeze(area_);
  EXPECT_FALSE(last_freeze_of(area_));
}

TEST_F(BreakGlassTest, AStatementIsReadWholeWhileOthersReplaceIt) {
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<std::uint64_t> writes = 0;
  std::jthread writer([&](const std::stop_token& ending) {
    for (std::uint64_t i = 1; !ending.stop_requested(); ++i) {
      freeze(area_, {.since_unix_ms = i, .until_unix_ms = 0, .by = std::to_string(i), .reason = std::to_string(i)});
      writes = i;
      // The next one comes in the middle of a reading, and not of every one.
      for (const std::uint64_t seen = reads; reads == seen && !ending.stop_requested();) std::this_thread::yield();
    }
  });
  for (; writes < 300; ++reads) {
    const auto read = last_freeze_of(area_);
    if (!read) continue;
    EXPECT_EQ(read->by, read->reason);
    EXPECT_EQ(read->by, std::to_string(read->since_unix_ms));
  }
}

}  // namespace
}  // namespace secbeat::control
