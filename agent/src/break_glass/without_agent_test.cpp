#include "secbeat/agent/without_agent.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::minutes;

constexpr const char* kHash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

control::Version version(std::uint64_t id) {
  return {.id = id,
          .label = "v" + std::to_string(id),
          .sha256 = kHash,
          .config_sha256 = "",
          .artifact_sha256 = kHash,
          .size_bytes = 1,
          .loaded_at = ""};
}

class WithoutAgentTest : public ::testing::Test {
 protected:
  WithoutAgentTest() {
    std::string name = (std::filesystem::temp_directory_path() / "secbeat-without-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    paths_.state_dir = folder_;
    std::filesystem::create_directory(folder_ / "data");
    scoreboard_ = *control::Scoreboard::create(paths_.scoreboard(), ::getuid(), static_cast<gid_t>(-1));
  }
  ~WithoutAgentTest() override { std::filesystem::remove_all(folder_); }

  void write_in_force() {
    control::InForce document;
    document.generation = 4;
    control::Slot& waf = document.slots.emplace_back();
    waf.name = "waf";
    waf.current = 7;
    waf.previous = 5;
    waf.versions = {version(7), version(5), version(3)};
    control::Slot& first = document.slots.emplace_back();
    first.name = "only-one";
    first.current = 8;
    first.versions = {version(8)};
    control::Slot& removed = document.slots.emplace_back();
    removed.name = "removed";
    removed.previous = 9;
    removed.versions = {version(9)};
    std::ofstream(paths_.in_force()) << control::to_json(document);
  }
  WithoutAgent open() { return *WithoutAgent::open(folder_, clock_); }
  control::BreakGlassArea& area() { return scoreboard_->layout().break_glass; }
  std::uint64_t now_ms() const { return unix_ms_of(clock_.now()); }

  std::filesystem::path folder_;
  control::StatePaths paths_;
  testing::ManualClock clock_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
};

TEST_F(WithoutAgentTest, NamesTheFolderThatHoldsNoScoreboard) {
  const auto none = WithoutAgent::open(folder_ / "none", clock_);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("--state-dir"), std::string::npos);
}

TEST_F(WithoutAgentTest, AScoreboardOfAnotherBuildIsRefused) {
  scoreboard_->layout().header.layout = control::kScoreboardLayoutVersion - 1;
  const auto other = WithoutAgent::open(folder_, clock_);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kProtocol);
}

TEST_F(WithoutAgentTest, BypassesAndLeavesANoteForTheAgent) {
  const auto done = open().bypass("the checkout is blocked", minutes(10));
  EXPECT_EQ(done.message, "Requests pass uninspected until 2025-11-24T01:10:03Z");
  EXPECT_EQ(done.warnings.size(), 1U) << "no worker is there";
  EXPECT_TRUE(control::Flags::of(area()).bypassed(now_ms()));
  const auto notes = control::waiting_notes(area());
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0].note.action, control::Action::kBypass);
  EXPECT_EQ(notes[0].note.statement.reason, "the checkout is blocked");
  EXPECT_TRUE(notes[0].note.statement.by.starts_with("scoreboard:"));
  open().end_bypass("over");
  EXPECT_FALSE(control::Flags::of(area()).bypassed(now_ms()));
  EXPECT_EQ(control::waiting_notes(area()).size(), 2U);
  EXPECT_EQ(open().end_bypass("over").message, "There was no bypass");
}

TEST_F(WithoutAgentTest, FreezesAndUnfreezes) {
  open().freeze("incident", {});
  EXPECT_EQ(control::freeze_of(area(), now_ms())->reason, "incident");
  open().unfreeze("over");
  EXPECT_FALSE(control::freeze_of(area(), now_ms()));
  EXPECT_EQ(control::waiting_notes(area()).size(), 2U);
}

TEST_F(WithoutAgentTest, TakesBackTheVersionThatDecides) {
  write_in_force();
  const auto done = open().rollback("", "", "blocks everything");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->message, "Rolled back: waf v7 → v5");
  EXPECT_TRUE(control::is_taken_back(area(), 7));
  ASSERT_EQ(control::waiting_notes(area()).size(), 1U);
  EXPECT_EQ(control::waiting_notes(area())[0].note.version_id, 7U);
  const auto again = open().rollback("waf", "", "still");
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("needs the agent"), std::string::npos);
}

TEST_F(WithoutAgentTest, SaysWhatOnlyAnAgentCan) {
  write_in_force();
  EXPECT_EQ(open().rollback("waf", "v3", "").error().code, ErrorCode::kUnknownVersion);
  EXPECT_TRUE(open().rollback("waf", "v5", ""));
  EXPECT_EQ(open().rollback("only-one", "", "").error().code, ErrorCode::kNoPreviousVersion);
  EXPECT_EQ(open().rollback("removed", "", "").error().code, ErrorCode::kUnknownModule);
  EXPECT_EQ(open().rollback("other", "", "").error().code, ErrorCode::kUnknownModule);
}

TEST_F(WithoutAgentTest, WithoutTheDocumentThereIsNoRollback) {
  EXPECT_EQ(open().rollback("", "", "").error().code, ErrorCode::kIo);
  std::ofstream(paths_.in_force()) << "{";
  EXPECT_EQ(open().rollback("", "", "").error().code, ErrorCode::kProtocol);
  EXPECT_TRUE(control::taken_back(area()).empty());
}

TEST_F(WithoutAgentTest, TheEndOfNotesIsSaid) {
  for (std::size_t i = 0; i < control::kMaxNotes; ++i) open().freeze("again", {});
  EXPECT_EQ(open().freeze("once more", {}).warnings.size(), 1U);
}

}  // namespace
}  // namespace secbeat::agent
