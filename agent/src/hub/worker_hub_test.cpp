#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>

#include "worker_hub_fixture.hpp"

namespace secbeat::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::optional<control::Message> no_answer(const control::Stage&) { return std::nullopt; }
std::optional<control::Message> no_swap(const control::Commit&) { return std::nullopt; }

std::optional<control::Message> cannot_configure(const control::Stage& stage) {
  return control::StageFailed{stage.in_force.generation, "universal-waf", "configure_failed", "no such rule"};
}

TEST_F(WorkerHubTest, SocketIsForOwnerAndGroupOnly) {
  start_hub();
  struct stat st{};
  ASSERT_EQ(::stat(paths_.socket().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0660U);
  hub_.reset();
  EXPECT_FALSE(std::filesystem::exists(paths_.socket()));
}

TEST_F(WorkerHubTest, TakesThePlaceOfADeadAgentButNotOfALivingOne) {
  start_hub();
  const auto second = WorkerHub::start(paths_, *scoreboard_, static_cast<gid_t>(-1), {});
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("another agent listens"));

  const auto left_over = paths_.state_dir / "left_over.sock";
  std::filesystem::create_hard_link(paths_.socket(), left_over);
  hub_.reset();
  std::filesystem::rename(left_over, paths_.socket());  // bound, and nobody listens
  start_hub();
  EXPECT_TRUE(connect_to(paths_.socket()));
}

TEST_F(WorkerHubTest, RemovesNothingThatIsNoSocketAndRefusesLongPaths) {
  std::ofstream(paths_.socket()) << "mine";
  const auto in_the_way = WorkerHub::start(paths_, *scoreboard_, static_cast<gid_t>(-1), {});
  ASSERT_FALSE(in_the_way.has_value());
  EXPECT_THAT(in_the_way.error().message, HasSubstr("is in the way"));
  EXPECT_TRUE(std::filesystem::exists(paths_.socket()));

  const auto too_long = WorkerHub::start({folder_ / std::string(100, 'x')}, *scoreboard_, static_cast<gid_t>(-1), {});
  ASSERT_FALSE(too_long.has_value());
  EXPECT_THAT(too_long.error().message, HasSubstr("choose a shorter state_dir"));
}

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

TEST_F(WorkerHubTest, GarbageEndsThatConnectionAndNoOther) {
  start_hub();
  const auto good = worker();
  const auto bad = worker();
  ASSERT_TRUE(sees_connected(2));
  bad->send(control::Commit{7});
  EXPECT_TRUE(bad->is_disconnected_by_agent());

  for (const std::string& packet :
       {std::string("{"), std::string("\0\xff\xfe", 3), std::string(control::kMaxMessageBytes + 1, ' '),
        control::to_json(control::Message(control::Staged{1})),                    // without hello
        control::to_json(control::Message(control::Hello{1, 1, 0, 0, "", 0}))}) {  // of process 1
    const UniqueFd socket = connect_to(paths_.socket());
    ASSERT_EQ(::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
    const auto answer = control::receive_message(socket.get());
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  }
  EXPECT_TRUE(good->is_connected());
  bad->die();
  put_in_force(7);
  EXPECT_EQ(good->serving(), 7U);
}

TEST_F(WorkerHubTest, HelloIsSaidOnceAndNamesASlotThatExists) {
  start_hub();
  const auto twice = worker();
  twice->send(control::Hello{1, ::getpid(), twice->slot(), 0, "test", 0});
  EXPECT_TRUE(twice->is_disconnected_by_agent());
  const UniqueFd socket = connect_to(paths_.socket());
  ASSERT_TRUE(control::send_message(socket.get(), control::Hello{1, ::getpid(), control::kMaxWorkers, 0, "", 0}));
  EXPECT_FALSE(control::receive_message(socket.get()).has_value());
}

TEST_F(WorkerHubTest, AStrangerWithoutASlotIsRefusedAndAnOwnerOfOneIsNot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  constexpr uid_t kNobody = 65534;
  const auto says_hello_as_nobody = [&](bool claim) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::uint32_t slot = 5;
      if (claim) slot = scoreboard_->claim(::getpid(), ::getppid()).value();
      while (::access(paths_.socket().c_str(), F_OK) != 0) ::usleep(1000);
      if (::setgid(0) != 0 || ::setuid(kNobody) != 0) ::_exit(9);
      UniqueFd socket;
      while (!(socket = connect_to(paths_.socket()))) ::usleep(1000);
      (void)control::send_message(socket.get(), control::Hello{1, ::getpid(), slot, 0, "test", 0});
      ::_exit(control::receive_message(socket.get()) ? 0 : 1);
    }
    return child;
  };
  const pid_t owner = says_hello_as_nobody(true);
  const pid_t stranger = says_hello_as_nobody(false);
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  start_hub();
  hub_->set_target(document(7));
  int status = 0;
  ASSERT_EQ(::waitpid(stranger, &status, 0), stranger);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ASSERT_EQ(::waitpid(owner, &status, 0), owner);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(WorkerHubTest, EventsReachTheSinkWithTheirWorker) {
  start_hub();
  const auto w = worker();
  control::Event event;
  event.uri = "/admin";
  event.module = "universal-waf";
  event.kind = "block";
  w->send(control::Events{{event, event}});
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(events_mutex_);
    return events_.size() == 2;
  }));
  const std::lock_guard lock(events_mutex_);
  EXPECT_EQ(events_[0].first, ::getpid());
  EXPECT_EQ(events_[0].second.uri, "/admin");
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
}

TEST_F(WorkerHubTest, AWorkerThatReadsNothingHoldsNobodyUp) {
  start_hub();
  const auto good = worker();
  const auto slot = scoreboard_->claim(::getpid(), 1);
  const UniqueFd deaf = connect_to(paths_.socket());
  ASSERT_TRUE(control::send_message(deaf.get(), control::Hello{1, ::getpid(), *slot, 0, "test", 0}));
  ASSERT_TRUE(sees_connected(2));
  for (std::uint64_t generation = 1; generation <= 200; ++generation) {
    control::InForce in_force = document(generation);
    for (int i = 0; i < 50; ++i) {
      in_force.slots[0].versions.push_back(in_force.slots[0].versions[0]);
      in_force.slots[0].versions.back().id = generation + 1000 + static_cast<std::uint64_t>(i);
    }
    hub_->stage(in_force, std::chrono::milliseconds(0));
    ASSERT_TRUE(good->hears("stage " + std::to_string(generation)));
    hub_->abort(generation);
  }
  // Disconnected when too much lay unread; its process still lives, so it would be waited for.
  EXPECT_TRUE(sees_connected(1));
  scoreboard_->release(*slot);
  put_in_force(300);
  EXPECT_EQ(good->serving(), 300U);
}

TEST_F(WorkerHubTest, ManyConnectionsAreServedAndTooManyRefused) {
  start_hub();
  std::vector<std::unique_ptr<FakeWorker>> workers;
  for (std::size_t i = 0; i < control::kMaxWorkers; ++i) workers.push_back(worker());
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 72; ++i) idle.push_back(connect_to(paths_.socket()));  // 200 in all
  put_in_force(7);
  for (const auto& w : workers) EXPECT_EQ(w->serving(), 7U);

  for (int i = 0; i < 200; ++i) idle.push_back(connect_to(paths_.socket()));
  const auto refused = control::receive_message(idle.back().get());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "connection closed");
  put_in_force(8);
  for (const auto& w : workers) EXPECT_EQ(w->serving(), 8U);
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
