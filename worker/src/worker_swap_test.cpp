// Versions change while requests are decided.
#include <dirent.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

using namespace std::chrono_literals;

class WorkerSwap : public WorkerTest {
 protected:
  void SetUp() override {
    WorkerTest::SetUp();
    v1_ = folders_.version(1, "generation_1");
    v2_ = folders_.version(2, "generation_2");
    agent_.emplace(folders_.paths().socket());
  }

  void start_and_accept() {
    first_ = document_of(1, {slot_of("rules", {v1_})});
    second_ = document_of(2, {slot_of("rules", {v2_, v1_})});
    folders_.write_in_force(first_);
    start_worker();
    ASSERT_EQ(agent_->accept().generation, 1U);
  }

  std::string version_that_decides() { return std::string(worker_->decide(get_request()).version); }

  control::Version v1_;
  control::Version v2_;
  control::InForce first_;
  control::InForce second_;
  std::optional<FakeAgent> agent_;
};

TEST_F(WorkerSwap, AModuleThatWasRemovedDecidesNothingAndStaysLoadedForItsReturn) {
  start_and_accept();
  control::InForce removed = document_of(2, {slot_of("rules", {v1_})});
  removed.slots[0].previous = removed.slots[0].current;
  removed.slots[0].current = 0;
  bring_into_service(*agent_, removed);
  EXPECT_EQ(version_that_decides(), "");
  EXPECT_EQ(slot().generation.load(), 2U);
  folders_.remove(v1_);  // it is not loaded a second time
  bring_into_service(*agent_, document_of(3, {slot_of("rules", {v1_})}));
  EXPECT_EQ(version_that_decides(), "v1");
}

TEST_F(WorkerSwap, ServesTheOldVersionUntilTheLoopHasItsTurn) {
  start_and_accept();
  agent_->send(control::Stage{second_});
  EXPECT_EQ(agent_->expect<control::Staged>().generation, 2U);
  EXPECT_EQ(version_that_decides(), "v1");
  agent_->send(control::Commit{2});
  ASSERT_TRUE(readable(worker_->wake_fd(), kTimeout));
  EXPECT_EQ(version_that_decides(), "v1");
  EXPECT_EQ(slot().generation.load(), 1U);
  worker_->on_wake();
  EXPECT_EQ(version_that_decides(), "v2");
  EXPECT_EQ(slot().generation.load(), 2U);
  const auto serving = agent_->expect<control::Serving>();
  EXPECT_EQ(serving.generation, 2U);
  EXPECT_GT(serving.pause_ns, 0U);
}

// The loop of a real worker: swaps when it is told to, decides otherwise.
struct Loop {
  std::atomic<std::uint64_t> acknowledged{0};  // generation that the agent knows to be served
  std::atomic<bool> done{false};
  std::uint64_t decisions = 0;
  std::uint64_t strangers = 0;  // decided by neither version, or by the old one after the acknowledgement

  void run(Worker& worker) {
    while (!done.load(std::memory_order_acquire)) {
      if (readable(worker.wake_fd(), 0ms)) worker.on_wake();
      const std::uint64_t known = acknowledged.load(std::memory_order_acquire);
      const std::string version(worker.decide(get_request()).version);
      const bool one_of_both = version == "v1" || version == "v2";
      const std::string expected = known % 2 == 1 ? "v1" : "v2";
      const bool settled = known != 0;
      if (!one_of_both || (settled && version != expected)) ++strangers;
      ++decisions;
    }
  }
};

TEST_F(WorkerSwap, DecidesByOneOfBothVersionsAndByTheNewOneOnceAcknowledged) {
  start_and_accept();
  Loop loop;
  std::thread thread([&] { loop.run(*worker_); });
  for (std::uint64_t generation = 2; generation <= 40; ++generation) {
    control::InForce next = generation % 2 == 0 ? second_ : document_of(0, {slot_of("rules", {v1_, v2_})});
    next.generation = generation;
    agent_->send(control::Stage{next});
    EXPECT_EQ(agent_->expect<control::Staged>().generation, generation);
    loop.acknowledged.store(0, std::memory_order_release);
    const std::uint64_t before = slot().requests.load();
    EXPECT_TRUE(eventually([&] { return slot().requests.load() > before + 1; }));  // the loop has seen the 0
    agent_->send(control::Commit{generation});
    EXPECT_EQ(agent_->expect<control::Serving>().generation, generation);
    loop.acknowledged.store(generation, std::memory_order_release);
    const std::uint64_t then = slot().requests.load();
    EXPECT_TRUE(eventually([&] { return slot().requests.load() > then + 20; }));
  }
  loop.done.store(true, std::memory_order_release);
  thread.join();
  EXPECT_EQ(loop.strangers, 0U);
  EXPECT_GT(loop.decisions, 800U);
  EXPECT_EQ(series(1).verdicts[0].load() + series(2).verdicts[0].load(), loop.decisions);
}

TEST_F(WorkerSwap, KeepsServingWhenAVersionCannotBeStaged) {
  start_and_accept();
  const auto refusing = folders_.version(3, "refuses_configure", "anything");
  agent_->send(control::Stage{document_of(2, {slot_of("rules", {refusing, v1_})})});
  const auto failed = agent_->expect<control::StageFailed>();
  EXPECT_EQ(failed.generation, 2U);
  EXPECT_EQ(failed.module, "rules");
  EXPECT_EQ(failed.code, "configure_failed");
  EXPECT_FALSE(failed.message.empty());
  EXPECT_EQ(version_that_decides(), "v1");

  agent_->send(control::Commit{2});
  EXPECT_EQ(agent_->expect<control::StageFailed>().generation, 2U) << "nothing is staged";
  EXPECT_FALSE(readable(worker_->wake_fd(), 0ms));

  second_.generation = 3;
  EXPECT_EQ(bring_into_service(*agent_, second_).generation, 3U);
  EXPECT_EQ(version_that_decides(), "v2");
}

TEST_F(WorkerSwap, KeepsServingWhenAnArtifactIsMissing) {
  start_and_accept();
  folders_.remove(v2_);
  agent_->send(control::Stage{second_});
  EXPECT_EQ(agent_->expect<control::StageFailed>().code, "io");
  EXPECT_EQ(version_that_decides(), "v1");
}

TEST_F(WorkerSwap, ForgetsWhatIsAborted) {
  start_and_accept();
  agent_->send(control::Stage{second_});
  agent_->expect<control::Staged>();
  agent_->send(control::Abort{2});
  agent_->send(control::Abort{2});
  agent_->send(control::Commit{2});
  EXPECT_EQ(agent_->expect<control::StageFailed>().generation, 2U);
  EXPECT_EQ(version_that_decides(), "v1");
}

TEST_F(WorkerSwap, AnswersRepeatedCommandsAsTheFirstOnes) {
  start_and_accept();
  for (int i = 0; i < 3; ++i) {
    agent_->send(control::Stage{second_});
    EXPECT_EQ(agent_->expect<control::Staged>().generation, 2U);
  }
  EXPECT_EQ(bring_into_service(*agent_, second_).generation, 2U);
  agent_->send(control::Commit{2});
  EXPECT_EQ(agent_->expect<control::Serving>().generation, 2U) << "it is served already";
  EXPECT_EQ(version_that_decides(), "v2");
}

TEST_F(WorkerSwap, ReplacesWhatIsStagedByALaterStage) {
  start_and_accept();
  agent_->send(control::Stage{second_});
  agent_->expect<control::Staged>();
  const auto v3 = folders_.version(3, "generation_3");
  EXPECT_EQ(bring_into_service(*agent_, document_of(3, {slot_of("rules", {v3, v1_})})).generation, 3U);
  EXPECT_EQ(version_that_decides(), "v3");
  agent_->send(control::Commit{2});
  EXPECT_EQ(agent_->expect<control::StageFailed>().generation, 2U);
}

TEST_F(WorkerSwap, RollsBackToAKeptVersionWithoutItsArtifact) {
  start_and_accept();
  const auto v3 = folders_.version(3, "generation_3");
  bring_into_service(*agent_, second_);
  bring_into_service(*agent_, document_of(3, {slot_of("rules", {v3, v2_, v1_})}));
  for (const auto& version : {v1_, v2_, v3}) folders_.remove(version);
  control::Slot to_first = slot_of("rules", {v3, v2_, v1_});
  to_first.current = 1;
  to_first.previous = 0;
  bring_into_service(*agent_, document_of(4, {to_first}));
  EXPECT_EQ(version_that_decides(), "v1");
  bring_into_service(*agent_, document_of(5, {slot_of("rules", {v3, v2_, v1_})}));
  EXPECT_EQ(version_that_decides(), "v3");
}

TEST_F(WorkerSwap, LoadsAVersionAnewWhenItsLimitsChange) {
  start_and_accept();
  control::Slot slot = slot_of("rules", {folders_.version(3, "generation_3")});
  bring_into_service(*agent_, document_of(2, {slot}));
  slot.limits.memory_bytes = 1;  // less than any instance begins with
  agent_->send(control::Stage{document_of(3, {slot})});
  EXPECT_NE(agent_->expect<control::StageFailed>().code, "");
}

TEST_F(WorkerSwap, TakesModulesOutOfTheChain) {
  start_and_accept();
  bring_into_service(*agent_, document_of(2, {}));
  EXPECT_FALSE(worker_->has_modules());
  EXPECT_EQ(version_that_decides(), "");
}

TEST_F(WorkerSwap, CommitsThatABlockedLoopHasNotSeenAreReplacedByTheLast) {
  start_and_accept();
  for (std::uint64_t generation = 2; generation <= 6; ++generation) {
    control::InForce next = generation % 2 == 0 ? second_ : first_;
    next.generation = generation;
    agent_->send(control::Stage{next});
    agent_->expect<control::Staged>();
    agent_->send(control::Commit{generation});
    // The answer to a command is the sign that those before it have been handled.
    agent_->send(control::Stage{next});
    agent_->expect<control::Staged>();
  }
  EXPECT_EQ(version_that_decides(), "v1");
  let_loop_swap();
  EXPECT_EQ(agent_->expect<control::Serving>().generation, 6U);
  EXPECT_EQ(version_that_decides(), "v2");
}

TEST_F(WorkerSwap, WorksOnWithAnAgentThatComesBack) {
  start_and_accept();
  agent_->send(control::Stage{second_});
  agent_->expect<control::Staged>();
  agent_.reset();
  EXPECT_EQ(version_that_decides(), "v1");

  agent_.emplace(folders_.paths().socket());
  EXPECT_EQ(agent_->accept().generation, 1U);
  agent_->send(control::Commit{2});
  EXPECT_EQ(agent_->expect<control::StageFailed>().generation, 2U) << "staged for an agent that is gone";
  EXPECT_EQ(bring_into_service(*agent_, second_).generation, 2U);

  agent_.reset();
  agent_.emplace(folders_.paths().socket());
  EXPECT_EQ(agent_->accept().generation, 2U);
}

TEST_F(WorkerSwap, SwapsAlsoWhenTheAgentDiesAfterItsWord) {
  start_and_accept();
  agent_->send(control::Stage{second_});
  agent_->expect<control::Staged>();
  agent_->send(control::Commit{2});
  ASSERT_TRUE(readable(worker_->wake_fd(), kTimeout));
  agent_.reset();
  worker_->on_wake();
  EXPECT_EQ(version_that_decides(), "v2");
  agent_.emplace(folders_.paths().socket());
  EXPECT_EQ(agent_->accept().generation, 2U);
}

TEST_F(WorkerSwap, LeavesAPeerThatIsNoAgent) {
  start_and_accept();
  agent_->send(control::Serving{.generation = 1, .pause_ns = 0});
  EXPECT_FALSE(agent_->receive());
  EXPECT_EQ(agent_->accept().generation, 1U);
  EXPECT_EQ(bring_into_service(*agent_, second_).generation, 2U);
}

std::size_t entries_of(const char* folder) {
  DIR* stream = ::opendir(folder);
  std::size_t count = 0;
  while (::readdir(stream) != nullptr) ++count;
  ::closedir(stream);
  return count;
}

// Each loaded artifact is code that is mapped from sealed memory.
std::size_t executable_artifacts() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:") != std::string::npos && line.find("r-x") != std::string::npos) ++count;
  }
  return count;
}

TEST_F(WorkerSwap, HoldsNoMoreAfterTwoHundredSwapsThanAfterTen) {
  start_and_accept();
  const auto swap = [&](std::uint64_t generation) {
    // A version that was never here before, with the artifact of an old one.
    auto fresh = generation % 2 == 0 ? v1_ : v2_;
    fresh.id = 100 + generation;
    control::InForce next = document_of(generation, {slot_of("rules", {fresh, v1_})});
    ASSERT_EQ(bring_into_service(*agent_, next).generation, generation);
    worker_->decide(get_request());
  };
  // What is out of service is destroyed after the acknowledgement and before the next command is read.
  const auto settle = [&](std::uint64_t generation) {
    agent_->send(control::Commit{generation});
    ASSERT_EQ(agent_->expect<control::Serving>().generation, generation);
  };
  for (std::uint64_t generation = 2; generation <= 11; ++generation) swap(generation);
  settle(11);
  const std::size_t artifacts = executable_artifacts();
  const std::size_t descriptors = entries_of("/proc/self/fd");
  const std::size_t threads = entries_of("/proc/self/task");
  EXPECT_EQ(artifacts, 2U);
  for (std::uint64_t generation = 12; generation <= 211; ++generation) swap(generation);
  settle(211);
  EXPECT_EQ(executable_artifacts(), artifacts);
  EXPECT_EQ(entries_of("/proc/self/fd"), descriptors);
  EXPECT_EQ(entries_of("/proc/self/task"), threads);
}

// Versions that differ in their configuration only; the file is read once.
TEST_F(WorkerSwap, VersionsShareTheirArtifact) {
  start_and_accept();
  const std::size_t before = executable_artifacts();
  folders_.remove(v1_);
  auto other = v1_;
  other.id = 7;
  bring_into_service(*agent_, document_of(2, {slot_of("rules", {other, v1_})}));
  EXPECT_EQ(executable_artifacts(), before);
  EXPECT_EQ(version_that_decides(), v1_.label);
}

TEST_F(WorkerSwap, FreesEverythingWhenItStops) {
  // The first round is the measure of the second: a sanitizer has a thread of its own once there is another.
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  for (int round = 0; round < 2; ++round) {
    start_and_accept();
    bring_into_service(*agent_, second_);
    const std::size_t threads_in_service = entries_of("/proc/self/task");
    worker_->stop();
    worker_->stop();
    EXPECT_EQ(entries_of("/proc/self/task"), threads_in_service - 2);
    EXPECT_EQ(slot().pid.load(), 0);
    EXPECT_EQ(executable_artifacts(), 0U);
    EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
    worker_.reset();
    const std::size_t descriptors_left = entries_of("/proc/self/fd");
    const std::size_t threads_left = entries_of("/proc/self/task");
    if (round > 0) {
      EXPECT_EQ(descriptors_left, descriptors);
      EXPECT_EQ(threads_left, threads);
    }
    descriptors = descriptors_left;
    threads = threads_left;
  }
}

}  // namespace
}  // namespace secbeat::worker::test
