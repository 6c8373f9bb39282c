// Stage and commit, and what fails in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>

#include "worker_hub_fixture.hpp"

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(WorkerHubTest, StagesAndCommitsInEveryWorker) {
  start_hub();
  const auto a = worker();
  const auto b = worker();
  const StageOutcome staged = hub_->stage(document(7), kPatience);
  EXPECT_THAT(staged.failures, IsEmpty());
  EXPECT_EQ(staged.workers, 2U);
  EXPECT_EQ(a->serving(), 0U);
  hub_->set_target(document(7));
  const CommitOutcome committed = hub_->commit(7, kPatience);
  EXPECT_THAT(committed.failures, IsEmpty());
  EXPECT_EQ(committed.workers, 2U);
  EXPECT_EQ(committed.max_pause_ns, 1000 + std::max(a->slot(), b->slot()));
  EXPECT_EQ(a->serving(), 7U);
  EXPECT_EQ(b->serving(), 7U);
  EXPECT_THAT(a->heard(), ElementsAre("stage 7", "commit 7"));
}

TEST_F(WorkerHubTest, WithoutWorkersBothSucceedAndSaySo) {
  start_hub();
  EXPECT_EQ(hub_->stage(document(1), kPatience).workers, 0U);
  hub_->set_target(document(1));
  const CommitOutcome committed = hub_->commit(1, kPatience);
  EXPECT_EQ(committed.workers, 0U);
  EXPECT_THAT(committed.failures, IsEmpty());
}

TEST_F(WorkerHubTest, WhatWasGivenUpBeforeItWasStagedIsNotWaitedFor) {
  start_hub();
  const auto silent = worker(0, {no_answer, {}});
  hub_->abort(7);
  const StageOutcome staged = hub_->stage(document(7), kPatience);
  ASSERT_EQ(staged.failures.size(), 1U);
  EXPECT_EQ(staged.failures[0].error.code, ErrorCode::kCancelled);
  EXPECT_THAT(silent->heard(), IsEmpty());
}

TEST_F(WorkerHubTest, KnowsWhatAWorkerCouldNotLoadOfWhatItServes) {
  start_hub();
  const auto poor = worker(0, {[](const control::Stage& stage) {
                                 const std::uint64_t generation = stage.in_force.generation;
                                 return control::Staged{generation, generation == 7 ? "waf v1: gone" : ""};
                               },
                               {}});
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  EXPECT_EQ(hub_->workers().at(0).failed_fallbacks, "") << "it does not serve it yet";
  put_in_force(7);
  EXPECT_EQ(hub_->workers().at(0).failed_fallbacks, "waf v1: gone");
  ASSERT_THAT(hub_->stage(document(8), kPatience).failures, IsEmpty());
  hub_->abort(8);
  EXPECT_EQ(hub_->workers().at(0).failed_fallbacks, "waf v1: gone");
  put_in_force(9);
  EXPECT_EQ(hub_->workers().at(0).failed_fallbacks, "");
}

TEST_F(WorkerHubTest, CommitsOnlyTheTarget) {
  start_hub();
  hub_->set_target(document(1));
  const CommitOutcome outcome = hub_->commit(2, kPatience);
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].error.code, ErrorCode::kInternal);
}

TEST_F(WorkerHubTest, OneWorkerThatCannotStageIsReportedAndNothingSwaps) {
  start_hub();
  const auto good = worker(6);
  const auto bad = worker(6, {cannot_configure, {}});
  hub_->set_target(document(6));
  const StageOutcome staged = hub_->stage(document(7), kPatience);
  ASSERT_EQ(staged.failures.size(), 1U);
  EXPECT_EQ(staged.workers, 2U);
  EXPECT_EQ(staged.failures[0].pid, ::getpid());
  EXPECT_EQ(staged.failures[0].module, "universal-waf");
  EXPECT_EQ(staged.failures[0].error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(staged.failures[0].error.message, "no such rule");
  hub_->abort(7);
  EXPECT_TRUE(good->hears("abort 7"));
  EXPECT_TRUE(bad->hears("abort 7"));
  EXPECT_EQ(good->serving(), 6U);
}

TEST_F(WorkerHubTest, TheNextReloadIsNotHeldUpByAFailedOne) {
  start_hub();
  std::atomic<int> stages{0};
  const auto once = worker(0, {[&](const control::Stage& stage) -> std::optional<control::Message> {
                                 if (stages++ == 0) return cannot_configure(stage);
                                 return control::Staged{stage.in_force.generation};
                               },
                               {}});
  EXPECT_EQ(hub_->stage(document(7), kPatience).failures.size(), 1U);
  hub_->abort(7);
  put_in_force(8);
  EXPECT_EQ(once->serving(), 8U);
}

TEST_F(WorkerHubTest, AWorkerThatDoesNotAnswerIsNamedAtTheTimeout) {
  start_hub();
  const auto good = worker();
  const auto silent = worker(0, {no_answer, {}});
  const StageOutcome staged = hub_->stage(document(7), kShort);
  ASSERT_EQ(staged.failures.size(), 1U);
  EXPECT_EQ(staged.failures[0].pid, ::getpid());
  EXPECT_EQ(staged.failures[0].error.code, ErrorCode::kWorkersDisagree);
  EXPECT_THAT(staged.failures[0].error.message, HasSubstr("did not get ready for generation 7"));
  EXPECT_TRUE(staged.failures[0].late);
}

TEST_F(WorkerHubTest, AWorkerThatDoesNotSwapIsNamedAtTheTimeoutAndAllAreBroughtBack) {
  start_hub();
  const auto good = worker(6);
  const auto stuck = worker(6, {{}, no_swap});
  hub_->set_target(document(6));
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_->set_target(document(7));
  const CommitOutcome committed = hub_->commit(7, kShort);
  ASSERT_EQ(committed.failures.size(), 1U);
  EXPECT_EQ(committed.workers, 2U);
  EXPECT_EQ(committed.failures[0].error.code, ErrorCode::kWorkersDisagree);
  EXPECT_THAT(committed.failures[0].error.message, HasSubstr("serves generation 6 and not 7"));

  hub_->set_target(document(6));
  EXPECT_TRUE(good->hears("commit 6"));
  EXPECT_TRUE(stuck->hears("abort 7"));
  EXPECT_TRUE(eventually([&] { return good->serving() == 6; }));
}

TEST_F(WorkerHubTest, ASwapThatComesTooLateIsTakenBack) {
  start_hub();
  const auto slow = worker(6, {{}, [](const control::Commit& commit) -> std::optional<control::Message> {
                                 if (commit.generation == 7) return std::nullopt;
                                 return control::Serving{commit.generation, 0};
                               }});
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_->set_target(document(7));
  ASSERT_EQ(hub_->commit(7, kShort).failures.size(), 1U);
  hub_->set_target(document(6));
  EXPECT_TRUE(slow->hears("abort 7"));
  slow->send(control::Serving{7, 0});
  EXPECT_TRUE(slow->hears("commit 6"));
}

TEST_F(WorkerHubTest, AWorkerThatDiesDuringStageIsNoFailure) {
  start_hub();
  const auto good = worker();
  const auto dying = worker(0, {no_answer, {}});
  auto staged = std::async(std::launch::async, [&] { return hub_->stage(document(7), kPatience); });
  EXPECT_TRUE(dying->hears("stage 7"));
  dying->die();
  const StageOutcome outcome = staged.get();
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 1U);
}

TEST_F(WorkerHubTest, AWorkerThatDiesDuringCommitIsNoFailure) {
  start_hub();
  const auto good = worker();
  const auto dying = worker(0, {{}, no_swap});
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_->set_target(document(7));
  auto committed = std::async(std::launch::async, [&] { return hub_->commit(7, kPatience); });
  EXPECT_TRUE(dying->hears("commit 7"));
  dying->die();
  const CommitOutcome outcome = committed.get();
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 1U);
  EXPECT_EQ(good->serving(), 7U);
}

TEST_F(WorkerHubTest, AProcessKilledInTheMiddleIsNoFailure) {
  // Before any thread: the child runs this code on.
  const pid_t child = ::fork();
  if (child == 0) {
    auto scoreboard = control::Scoreboard::open(paths_.scoreboard());
    const auto slot = (*scoreboard)->claim(::getpid(), ::getppid());
    UniqueFd socket;
    while (!(socket = connect_to(paths_.socket()))) ::usleep(1000);
    (void)control::send_message(socket.get(), control::Hello{1, ::getpid(), *slot, 0, "test", 0});
    (void)control::receive_message(socket.get());  // stage
    ::kill(::getpid(), SIGKILL);
  }
  start_hub();
  const bool connected = sees_connected(1);
  const StageOutcome outcome = hub_->stage(document(7), kPatience);
  EXPECT_TRUE(connected);
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 0U);  // a zombie does not count
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST_F(WorkerHubTest, AStageThatIsAbortedMeanwhileReturns) {
  start_hub();
  const auto silent = worker(0, {no_answer, {}});
  auto staged = std::async(std::launch::async, [&] { return hub_->stage(document(7), kPatience); });
  EXPECT_TRUE(silent->hears("stage 7"));
  hub_->abort(7);
  const StageOutcome outcome = staged.get();
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].error.code, ErrorCode::kCancelled);
  EXPECT_TRUE(silent->hears("abort 7"));
}

}  // namespace
}  // namespace secbeat::agent
