#include "ticker.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "loaded_version.hpp"
#include "thread.hpp"
#include "worker_fixture.hpp"

namespace secbeat::worker {
namespace {

using test::eventually;

class TickerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = engine::Engine::create();
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
    auto ticker = Ticker::start(*engine_);
    ASSERT_TRUE(ticker) << ticker.error().message;
    ticker_ = std::move(*ticker);
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<Ticker> ticker_;
};

TEST_F(TickerTest, SleepsWhenNoCallRuns) {
  EXPECT_TRUE(eventually([&] { return ticker_->asleep(); }));
}

TEST_F(TickerTest, StaysAwakeWhileACallRuns) {
  const Ticker::Running running(ticker_->loop_lane());
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (std::chrono::steady_clock::now() < end) ASSERT_FALSE(ticker_->asleep());
}

TEST_F(TickerTest, StopsAnEndlessLoopThatIsTheFirstCallAfterSleep) {
  test::NodeFolders folders;
  const auto version = folders.version(1, "loops_on_request");
  const LoadContext context{*engine_, ticker_->loop_lane(), folders.paths()};
  for (int round = 0; round < 5; ++round) {
    const auto loaded = LoadedVersion::load(context, version, {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_TRUE(eventually([&] { return ticker_->asleep(); }));
    const Ticker::Running running(ticker_->loop_lane());
    const auto verdict = (*loaded)->instance_for_request().value()->inspect(test::request_with("x-loop"));
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().kind, engine::CallErrorKind::kDeadline);
  }
}

TEST_F(TickerTest, StopsALoopInTheConfigurationOfTheHelperThread) {
  test::NodeFolders folders;
  const auto version = folders.version(1, "loops_in_configure");
  control::Slot slot;
  slot.limits.configure_budget = std::chrono::milliseconds(20);
  const LoadContext context{*engine_, ticker_->helper_lane(), folders.paths()};
  ASSERT_TRUE(eventually([&] { return ticker_->asleep(); }));
  const auto loaded = LoadedVersion::load(context, version, slot);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kConfigureFailed);
}

TEST_F(TickerTest, StopsAlsoWhileItSleeps) {
  ASSERT_TRUE(eventually([&] { return ticker_->asleep(); }));
  ticker_->stop();
}

TEST(WorkerThread, BlocksEverySignalButThoseOfFaults) {
  sigset_t mask;
  ::sigemptyset(&mask);
  auto thread = start_thread("secbeat-test", [&] { ::pthread_sigmask(SIG_BLOCK, nullptr, &mask); });
  ASSERT_TRUE(thread);
  thread->join();
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) EXPECT_EQ(::sigismember(&mask, fault), 0) << fault;
  for (const int other : {SIGHUP, SIGTERM, SIGQUIT, SIGCHLD, SIGALRM, SIGIO, SIGUSR1, SIGUSR2, SIGWINCH}) {
    EXPECT_EQ(::sigismember(&mask, other), 1) << other;
  }
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGTERM), 0) << "the thread that starts one keeps its own mask";
}

}  // namespace
}  // namespace secbeat::worker
