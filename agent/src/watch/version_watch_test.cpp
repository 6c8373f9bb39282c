#include "secbeat/agent/version_watch.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "watch_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::counted;
using testing::WatchTest;

constexpr std::chrono::seconds kPatience{60};

template <class Condition>
bool comes(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class VersionWatchTest : public WatchTest {
 protected:
  // An agent that has died while it watched v2.
  void leave_a_watch_behind() {
    reloader_.bring_in();
    open();
    book_->look();
    second_ = reloader_.bring_in();
    book_->look();
    book_.reset();
  }

  std::uint64_t second_ = 0;
};

TEST_F(VersionWatchTest, LooksByItselfAndTakesBack) {
  leave_a_watch_behind();
  const auto watch = VersionWatch::start(config_, *scoreboard_, reloader_, clock_);
  ASSERT_TRUE(comes([&] { return !watch->running().empty(); }));
  EXPECT_EQ(watch->view("waf")->version, "v2");
  count(second_, counted({.traps = 30}));
  ASSERT_TRUE(comes([&] { return !watch->rollbacks().empty(); }));
  EXPECT_EQ(watch->view("waf")->state, WatchState::kRolledBack);
  watch->stop();
  EXPECT_EQ(reloader_.rollbacks.size(), 1U);
}

TEST_F(VersionWatchTest, IsEndedFromAnotherThread) {
  leave_a_watch_behind();
  const auto watch = VersionWatch::start(config_, *scoreboard_, reloader_, clock_);
  ASSERT_TRUE(comes([&] { return !watch->running().empty(); }));
  EXPECT_TRUE(watch->end("waf", {"api", ""}));
  EXPECT_TRUE(watch->running().empty());
  count(second_, counted({.traps = 30}));
  watch->stop();
  watch->stop();
  EXPECT_TRUE(reloader_.rollbacks.empty());
}

TEST_F(VersionWatchTest, AWatchThatIsRunningWhenTheAgentStopsIsLeftToTheNextOne) {
  leave_a_watch_behind();
  for (int agent = 0; agent < 2; ++agent) {
    const auto watch = VersionWatch::start(config_, *scoreboard_, reloader_, clock_);
    EXPECT_TRUE(comes([&] { return !watch->running().empty(); }));
    watch->stop();
  }
}

}  // namespace
}  // namespace secbeat::agent
