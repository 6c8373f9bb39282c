// Workers that come, go and fall behind are brought to the target.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "worker_hub_fixture.hpp"

namespace secbeat::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(WorkerHubTest, AWorkerThatIsNotConnectedYetIsWaitedFor) {
  start_hub();
  FakeWorker late(*scoreboard_, paths_);
  auto staged = std::async(std::launch::async, [&] { return hub_->stage(document(7), kPatience); });
  EXPECT_EQ(staged.wait_for(kShort), std::future_status::timeout);
  late.connect();
  const StageOutcome outcome = staged.get();
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 1U);
  EXPECT_THAT(late.heard(), ElementsAre("stage 7"));
}

TEST_F(WorkerHubTest, AWorkerThatNeverConnectsIsNamedAtTheTimeout) {
  start_hub();
  FakeWorker absent(*scoreboard_, paths_, 3);
  const StageOutcome staged = hub_->stage(document(7), kShort);
  ASSERT_EQ(staged.failures.size(), 1U);
  EXPECT_THAT(staged.failures[0].error.message,
              AllOf(HasSubstr("serves generation 3"), HasSubstr("has not connected")));
}

TEST_F(WorkerHubTest, TheScoreboardSaysWhatAWorkerServesThatIsNotConnected) {
  start_hub();
  FakeWorker absent(*scoreboard_, paths_, 7);
  EXPECT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_->set_target(document(7));
  const CommitOutcome outcome = hub_->commit(7, kPatience);
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 1U);
}

TEST_F(WorkerHubTest, AWorkerThatAppearsDuringStageIsStagedAsWell) {
  start_hub();
  const auto slow = worker(0, {no_answer, {}});
  hub_->set_target(document(6));
  auto staged = std::async(std::launch::async, [&] { return hub_->stage(document(7), kPatience); });
  EXPECT_TRUE(slow->hears("stage 7"));
  const auto newcomer = worker(6);
  EXPECT_TRUE(newcomer->hears("stage 7"));
  slow->send(control::Staged{7});
  const StageOutcome outcome = staged.get();
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 2U);
  EXPECT_THAT(newcomer->heard(), ElementsAre("stage 7"));
}

TEST_F(WorkerHubTest, AWorkerThatAppearsDuringCommitWithTheOldGenerationIsBroughtAlong) {
  start_hub();
  const auto slow = worker(6, {{}, no_swap});
  hub_->set_target(document(6));
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_->set_target(document(7));
  auto committed = std::async(std::launch::async, [&] { return hub_->commit(7, kPatience); });
  EXPECT_TRUE(slow->hears("commit 7"));
  const auto old = worker(6);
  const auto already_there = worker(7);
  EXPECT_TRUE(old->hears("commit 7"));
  slow->send(control::Serving{7, 5'000'000});
  const CommitOutcome outcome = committed.get();
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.max_pause_ns, 5'000'000U);
  EXPECT_EQ(old->serving(), 7U);
  EXPECT_THAT(already_there->heard(), IsEmpty());
}

TEST_F(WorkerHubTest, AWorkerThatConnectsLaterIsBroughtToTheTarget) {
  start_hub();
  hub_->set_target(document(7));
  const auto fresh = worker(0);
  const auto behind = worker(6);
  const auto ahead = worker(9);  // of a commit that an agent did not live to finish
  const auto current = worker(7);
  for (const auto* w : {&fresh, &behind, &ahead}) EXPECT_TRUE((*w)->hears("commit 7"));
  ASSERT_TRUE(sees_connected(4));
  EXPECT_THAT(current->heard(), IsEmpty());
}

TEST_F(WorkerHubTest, WorkersAreLeftAloneUntilThereIsATarget) {
  start_hub();
  const auto early = worker(5);
  ASSERT_TRUE(sees_connected(1));
  hub_->set_target(document(7));
  EXPECT_TRUE(early->hears("commit 7"));
  EXPECT_THAT(early->heard(), ElementsAre("stage 7", "commit 7"));
}

TEST_F(WorkerHubTest, AWorkerThatFailsToReachTheTargetIsAskedAgain) {
  start_hub();
  std::atomic<int> stages{0};
  const auto flaky = worker(0, {[&](const control::Stage& stage) -> std::optional<control::Message> {
                                  if (stages++ == 0) return cannot_configure(stage);
                                  return control::Staged{stage.in_force.generation};
                                },
                                {}});
  hub_->set_target(document(7));
  EXPECT_TRUE(flaky->hears("commit 7"));
  EXPECT_THAT(flaky->heard(), ElementsAre("stage 7", "stage 7", "commit 7"));
}

TEST_F(WorkerHubTest, AWorkerThatReconnectsInTheMiddleIsAskedAgain) {
  start_hub();
  const auto flaky = worker();
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  flaky->connect();
  hub_->set_target(document(7));
  const CommitOutcome outcome = hub_->commit(7, kPatience);
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_EQ(outcome.workers, 1U);
  EXPECT_EQ(flaky->serving(), 7U);
  EXPECT_THAT(flaky->heard(), ElementsAre("stage 7", "stage 7", "commit 7"));
}

TEST_F(WorkerHubTest, WorkersOfADeadAgentFindItsSuccessor) {
  start_hub();
  const auto survivor = worker(6);
  ASSERT_THAT(hub_->stage(document(7), kPatience).failures, IsEmpty());
  hub_.reset();
  EXPECT_TRUE(survivor->is_disconnected_by_agent());
  start_hub();
  hub_->set_target(document(7));
  survivor->connect();
  EXPECT_TRUE(survivor->hears("commit 7"));
}

TEST_F(WorkerHubTest, TellsWhoIsThere) {
  start_hub();
  FakeWorker absent(*scoreboard_, paths_, 3);
  scoreboard_->layout().workers[absent.slot()].serving_since_unix_ms.store(1234);
  const auto present = worker(5);
  ASSERT_TRUE(sees_connected(1));
  auto workers = hub_->workers();
  ASSERT_EQ(workers.size(), 2U);
  std::sort(workers.begin(), workers.end(), [](const auto& a, const auto& b) { return a.generation < b.generation; });
  EXPECT_EQ(workers[0].generation, 3U);
  EXPECT_EQ(workers[0].serving_since_unix_ms, 1234U);
  EXPECT_FALSE(workers[0].connected);
  EXPECT_EQ(workers[1].generation, 5U);
  EXPECT_EQ(workers[1].slot, present->slot());
  EXPECT_EQ(workers[1].pid, ::getpid());
  EXPECT_TRUE(workers[1].connected);
  EXPECT_TRUE(workers[1].in_scoreboard);
}

TEST_F(WorkerHubTest, TellsWhoCountsInAnotherScoreboard) {
  start_hub();
  const UniqueFd socket = connect_to(paths_.socket());
  ASSERT_TRUE(control::send_message(socket.get(), control::Hello{1, ::getpid(), 9, 4, "another build", 0}));
  ASSERT_TRUE(sees_connected(1));
  EXPECT_FALSE(hub_->workers()[0].in_scoreboard);
}

TEST_F(WorkerHubTest, ReloadsWhileWorkersComeAndGoLoseNobody) {
  start_hub();
  hub_->set_target(document(1));
  const auto steady = worker(1);
  std::atomic<bool> done{false};
  std::thread churn([&] {
    while (!done) {
      const auto passing = worker(1);
      passing->connect();  // again
    }
  });
  for (std::uint64_t generation = 2; generation <= 60; ++generation) put_in_force(generation);
  done = true;
  churn.join();
  EXPECT_EQ(steady->serving(), 60U);
}

}  // namespace
}  // namespace secbeat::agent
