#include "glass_book.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "freeze_file.hpp"
#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using control::Action;
using std::chrono::minutes;
using std::chrono::seconds;

class QuietHub final : public WorkerHub {
 public:
  std::vector<WorkerStatus> worker_list;

  void set_target(const control::InForce&) override {}
  StageOutcome stage(const control::InForce&, std::chrono::milliseconds) override { return {}; }
  CommitOutcome commit(std::uint64_t, std::chrono::milliseconds) override { return {}; }
  void abort(std::uint64_t) override {}
  [[nodiscard]] std::vector<WorkerStatus> workers() const override { return worker_list; }
};

class GlassBookTest : public testing::WatchTest {
 protected:
  void SetUp() override {
    config_.node_name = "test";
    config_.state_dir = folder_;
    restore();
  }
  void restore() {
    glass_.reset();
    restore_freeze(config_, *scoreboard_);
    glass_ = std::make_unique<GlassBook>(config_, *scoreboard_, hub_, reloader_, clock_);
  }
  // As after a restart of the machine: nothing in memory is left.
  void lose_the_scoreboard() {
    glass_.reset();
    std::filesystem::remove(folder_ / "scoreboard");
    scoreboard_ = *control::Scoreboard::create(folder_ / "scoreboard", ::getuid(), static_cast<gid_t>(-1));
  }
  control::BreakGlassArea& area() { return scoreboard_->layout().break_glass; }
  std::uint64_t now_ms() const { return unix_ms_of(clock_.now()); }
  // "kind: reason" of the rows, oldest first, separated by "; ".
  std::string recorded() const {
    std::string text;
    for (const HistoryRow& row : reloader_.recorded) text += (text.empty() ? "" : "; ") + row.kind + ": " + row.reason;
    return text;
  }
  void look_after(std::chrono::milliseconds time) {
    clock_.advance(time);
    glass_->look();
  }
  GlassDemand demand(seconds lasts = seconds(0)) const {
    return {.reason = "incident", .lasts = lasts, .origin = {"api", "r-1"}};
  }
  control::Note note(Action action, std::uint64_t version = 0, std::uint64_t until = 0) const {
    return {
        .action = action,
        .version_id = version,
        .statement = {.since_unix_ms = now_ms(), .until_unix_ms = until, .by = "scoreboard:root", .reason = "dead"}};
  }

  QuietHub hub_;
  std::unique_ptr<GlassBook> glass_;
};

TEST_F(GlassBookTest, AFreezeIsInTheHistoryAndOutlivesAgentAndMachine) {
  const GlassResult done = glass_->freeze(demand());
  EXPECT_EQ(done.message, "Changes are frozen");
  EXPECT_TRUE(done.warnings.empty());
  EXPECT_EQ(done.view.frozen->reason, "incident");
  EXPECT_EQ(done.view.frozen->until, "");
  EXPECT_EQ(recorded(), "freeze: incident");
  EXPECT_EQ(reloader_.recorded[0].request_id, "r-1");
  restore();
  EXPECT_TRUE(glass_->view().frozen);
  lose_the_scoreboard();
  restore();
  EXPECT_EQ(glass_->view().frozen->by, "api");
  EXPECT_EQ(glass_->unfreeze(demand()).message, "Changes are no longer frozen");
  EXPECT_FALSE(std::filesystem::exists(freeze_file(folder_)));
  EXPECT_EQ(recorded(), "freeze: incident; unfreeze: incident");
  EXPECT_EQ(glass_->unfreeze(demand()).message, "Changes were not frozen");
}

TEST_F(GlassBookTest, WhatUnfroseWithoutAnAgentStaysUnfrozen) {
  glass_->freeze(demand());
  glass_.reset();
  control::unfreeze(area());
  control::add_note(area(), note(Action::kUnfreeze));
  restore();
  EXPECT_FALSE(glass_->view().frozen);
  glass_->look();
  EXPECT_FALSE(std::filesystem::exists(freeze_file(folder_)));
  EXPECT_EQ(recorded(), "freeze: incident; unfreeze: dead");
}

TEST_F(GlassBookTest, AFreezeEndsByItselfWhereItHasAnEnd) {
  glass_->freeze(demand(minutes(5)));
  look_after(minutes(4));
  EXPECT_TRUE(glass_->view().frozen);
  look_after(minutes(1));
  EXPECT_FALSE(glass_->view().frozen);
  EXPECT_FALSE(std::filesystem::exists(freeze_file(folder_)));
  EXPECT_NE(recorded().find("unfreeze: Ended by itself: incident"), std::string::npos);
}

TEST_F(GlassBookTest, ABypassIsToldWhenItBeginsAndWhenItEndsByItself) {
  const GlassResult done = glass_->bypass(demand(minutes(10)));
  EXPECT_EQ(done.message, "Requests pass uninspected");
  EXPECT_EQ(done.view.bypass->until, rfc3339(clock_.now() + minutes(10)));
  look_after(minutes(9));
  EXPECT_TRUE(glass_->view().bypass);
  look_after(minutes(1));
  look_after(seconds(1));
  EXPECT_FALSE(glass_->view().bypass);
  EXPECT_EQ(recorded(), "bypass: incident (until 2025-11-24T01:10:03Z); bypass: Ended by itself: incident");
}

TEST_F(GlassBookTest, AClockThatIsSetBackNeitherLengthensABypassNorBringsItBack) {
  glass_->bypass(demand(minutes(10)));
  clock_.step(-std::chrono::hours(1));
  look_after(minutes(9));
  EXPECT_TRUE(glass_->view().bypass);
  look_after(minutes(1));
  EXPECT_FALSE(glass_->view().bypass);
  EXPECT_NE(recorded().find("bypass: Ended by itself: incident"), std::string::npos);
  EXPECT_TRUE(control::Flags::of(area()).none());
}

TEST_F(GlassBookTest, ABypassIsEndedEarlyOnce) {
  glass_->bypass(demand(minutes(10)));
  EXPECT_EQ(glass_->end_bypass(demand()).message, "Requests are inspected again");
  EXPECT_EQ(glass_->end_bypass(demand()).message, "There was no bypass");
  look_after(minutes(11));
  EXPECT_EQ(reloader_.recorded.size(), 2U);
}

TEST_F(GlassBookTest, NamesWorkersThatDoNotSeeIt) {
  hub_.worker_list = {{.pid = 100}, {.pid = 101, .in_scoreboard = false}};
  const GlassResult done = glass_->bypass(demand(minutes(10)));
  ASSERT_EQ(done.warnings.size(), 1U);
  EXPECT_NE(done.warnings[0].find("worker 101"), std::string::npos);
  EXPECT_EQ(done.view.workers.serving, 1U);
  EXPECT_EQ(done.view.workers.total, 2U);
}

TEST_F(GlassBookTest, NeverRefusesWhereNothingCanBeWritten) {
  config_.data_dir = folder_ / "none";
  reloader_.record_refusal = Error{ErrorCode::kIo, "disk full"};
  restore();
  const GlassResult done = glass_->freeze(demand());
  EXPECT_EQ(done.message, "Changes are frozen");
  EXPECT_EQ(done.warnings.size(), 2U);
  EXPECT_TRUE(control::freeze_of(area(), now_ms()));
}

TEST_F(GlassBookTest, WhatWasDoneWithoutAnAgentIsRecordedAsSoonAsItCanBe) {
  control::begin_bypass(area(), note(Action::kBypass, 0, now_ms() + 60000).statement, 0);
  ASSERT_TRUE(control::add_note(area(), note(Action::kBypass, 0, now_ms() + 60000)));
  reloader_.record_refusal = Error{ErrorCode::kIo, "disk full"};
  glass_->look();
  EXPECT_EQ(control::waiting_notes(area()).size(), 1U);
  reloader_.record_refusal.reset();
  glass_->look();
  EXPECT_EQ(recorded(), "bypass: dead (until 2025-11-24T01:01:03Z)");
  EXPECT_EQ(reloader_.recorded[0].by, "scoreboard:root");
  EXPECT_TRUE(control::waiting_notes(area()).empty());
}

TEST_F(GlassBookTest, CompletesARollbackThatWasBegunWithoutAnAgent) {
  reloader_.bring_in();
  const std::uint64_t bad = reloader_.bring_in();
  ASSERT_TRUE(control::take_back(area(), bad));
  ASSERT_TRUE(control::add_note(area(), note(Action::kRollback, bad)));
  const auto held = glass_->view().taken_back;
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].version, "v2");
  EXPECT_EQ(held[0].decided_by, "v1");
  glass_->look();
  ASSERT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_EQ(reloader_.rollbacks[0].completes, bad);
  EXPECT_EQ(reloader_.rollbacks[0].origin.by, "scoreboard:root");
  EXPECT_NE(reloader_.rollbacks[0].reason.find("dead"), std::string::npos);
  EXPECT_TRUE(control::waiting_notes(area()).empty());
  glass_->look();
  EXPECT_EQ(reloader_.rollbacks.size(), 1U);
  EXPECT_TRUE(control::taken_back(area()).empty()) << "no worker decides by it any more";
}

TEST_F(GlassBookTest, ARollbackThatAnotherVersionHasOvertakenIsInTheHistory) {
  reloader_.bring_in();
  const std::uint64_t bad = reloader_.bring_in();
  ASSERT_TRUE(control::take_back(area(), bad));
  ASSERT_TRUE(control::add_note(area(), note(Action::kRollback, bad)));
  ASSERT_TRUE(control::add_note(area(), note(Action::kRollback, 4711)));  // of no version
  reloader_.bring_in();
  glass_->look();
  EXPECT_EQ(recorded(), "rollback: dead (it was in effect until another version came)");
  EXPECT_EQ(reloader_.recorded.at(0).name, "waf");
  EXPECT_EQ(reloader_.recorded.at(0).from_version, "v2");
  EXPECT_TRUE(control::waiting_notes(area()).empty());
  EXPECT_TRUE(reloader_.rollbacks.empty());
}

TEST_F(GlassBookTest, ARollbackThatIsInTheHistoryAlreadyIsNotToldAgain) {
  reloader_.bring_in();
  const std::uint64_t bad = reloader_.bring_in();
  ASSERT_TRUE(control::add_note(area(), note(Action::kAutoRollback, bad)));
  reloader_.go_back();  // and the agent died behind the ledger's row
  HistoryRow row;
  row.kind = "auto_rollback";
  row.from_version = "v2";
  row.success = true;
  row.timestamp = rfc3339(clock_.now());
  reloader_.told = {row};
  glass_->look();
  EXPECT_EQ(recorded(), "");
  EXPECT_TRUE(control::waiting_notes(area()).empty());
}

TEST_F(GlassBookTest, ARollbackToAVersionThatIsNotKeptAnyMoreEndsAndIsTold) {
  reloader_.bring_in();
  const std::uint64_t bad = reloader_.bring_in();
  ASSERT_TRUE(control::take_back(area(), bad));
  ASSERT_TRUE(control::add_note(area(), note(Action::kRollback, bad)));
  reloader_.refusal = [] {
    Failure failure;
    failure.error = {ErrorCode::kNoPreviousVersion, "none"};
    return failure;
  };
  glass_->look();
  EXPECT_FALSE(control::is_taken_back(area(), bad));
  EXPECT_THAT(recorded(), ::testing::AllOf(::testing::StartsWith("rollback: dead "),
                                           ::testing::HasSubstr("no version before it is kept, and v2 decides again")));
  EXPECT_TRUE(control::waiting_notes(area()).empty());
}

TEST_F(GlassBookTest, ANoteWithoutItsRollbackIsForgotten) {
  reloader_.bring_in();
  const std::uint64_t version = reloader_.bring_in();
  ASSERT_TRUE(control::add_note(area(), note(Action::kAutoRollback, version)));
  glass_->look();
  EXPECT_EQ(control::waiting_notes(area()).size(), 1U) << "its writer may be about to take the version back";
  look_after(minutes(1));
  EXPECT_TRUE(control::waiting_notes(area()).empty());
  EXPECT_EQ(recorded(), "");
}

TEST_F(GlassBookTest, AFreezeTellsOfAChangeThatIsBeingSwappedIn) {
  Operation& operation = reloader_.under_way.emplace();
  operation.name = "waf";
  operation.kind = "reload";
  operation.stage = OperationStage::kSwap;
  EXPECT_EQ(glass_->freeze(demand()).warnings.size(), 1U);
  operation.kind = "auto_rollback";
  EXPECT_TRUE(glass_->freeze(demand()).warnings.empty());
}

TEST_F(GlassBookTest, AVersionStaysTakenBackUntilEveryWorkerHasLeftIt) {
  reloader_.bring_in();
  const std::uint64_t bad = reloader_.bring_in();
  reloader_.go_back();
  ASSERT_TRUE(control::take_back(area(), bad));
  hub_.worker_list = {{.pid = 100, .generation = 2}};  // the bad version's generation: it hangs
  glass_->look();
  EXPECT_TRUE(control::is_taken_back(area(), bad));
  hub_.worker_list[0].generation = reloader_.document.generation;
  glass_->look();
  EXPECT_FALSE(control::is_taken_back(area(), bad));
  EXPECT_TRUE(reloader_.rollbacks.empty());
}

TEST_F(GlassBookTest, TriesAgainMoreAndMoreSeldomWhereARollbackCannotBeCompleted) {
  reloader_.bring_in();
  ASSERT_TRUE(control::take_back(area(), reloader_.bring_in()));
  reloader_.refusal = [] {
    Failure failure;
    failure.error = {ErrorCode::kIo, "disk full"};
    return std::optional(failure);
  };
  for (int i = 0; i < 600; ++i) look_after(std::chrono::milliseconds(100));
  EXPECT_GE(reloader_.rollbacks.size(), 4U);
  EXPECT_LE(reloader_.rollbacks.size(), 12U);
  EXPECT_TRUE(control::Flags::of(area()).some_taken_back());
  reloader_.refusal = nullptr;
  look_after(seconds(11));
  EXPECT_EQ(reloader_.document.slots[0].current_version()->label, "v1");
}

// It hangs where the file is read, as long as nobody writes into the pipe.
TEST_F(GlassBookTest, AFreezeOutlivesAnAgentThatDiesWhileItPutsItBack) {
  glass_->freeze(demand());
  lose_the_scoreboard();
  const std::filesystem::path file = freeze_file(folder_);
  const std::filesystem::path kept = folder_ / "kept";
  std::filesystem::rename(file, kept);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  const pid_t agent = ::fork();
  if (agent == 0) {
    restore_freeze(config_, *scoreboard_);
    ::_exit(0);
  }
  int reading = -1;
  while ((reading = ::open(file.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) std::this_thread::yield();
  ::kill(agent, SIGKILL);
  ASSERT_EQ(::waitpid(agent, nullptr, 0), agent);
  ::close(reading);
  std::filesystem::rename(kept, file);
  restore();
  EXPECT_TRUE(glass_->view().frozen);
  glass_->look();
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(GlassBookTest, WhatSomebodyFrozeBeforeTheAgentCameIsNotReplaced) {
  glass_->freeze(demand());
  lose_the_scoreboard();
  control::freeze(area(), note(Action::kFreeze).statement);
  restore();
  EXPECT_EQ(glass_->view().frozen->reason, "dead");
}

TEST_F(GlassBookTest, ADamagedFileKeepsChangesFrozen) {
  lose_the_scoreboard();
  std::ofstream(freeze_file(folder_)) << "{";
  restore();
  EXPECT_TRUE(glass_->view().frozen);
}

TEST_F(GlassBookTest, ADrillNamesWhatIsMissing) {
  reloader_.bring_in();
  const auto findings = glass_->drill();
  const auto has = [&](std::string_view check, DrillHealth health) {
    return std::ranges::any_of(findings, [&](const DrillFinding& finding) {
      return finding.check == check && finding.health == health &&
             (health == DrillHealth::kOk || !finding.advice.empty());
    });
  };
  EXPECT_TRUE(has("scoreboard", DrillHealth::kFailure)) << "it is not where workers look for it";
  EXPECT_TRUE(has("worker", DrillHealth::kFailure)) << "there is none";
}

}  // namespace
}  // namespace secbeat::agent
