// What the scoreboard demands of a worker while it serves: to pass everything, or to decide by the version before.
#include <gtest/gtest.h>

#include <chrono>

#include "secbeat/base/clock.hpp"
#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

using control::OnError;

std::uint64_t unix_ms_from_now(std::chrono::milliseconds later) {
  const auto now = std::chrono::system_clock::now().time_since_epoch() + later;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

class WorkerBreakGlass : public WorkerTest {
 protected:
  void serve(std::vector<control::Version> versions, OnError on_error = OnError::kPrevious) {
    folders_.write_in_force(document_of(1, {slot_of("waf", std::move(versions), on_error)}));
    start_worker();
  }
  control::BreakGlassArea& area() { return scoreboard_->layout().break_glass; }
  void bypass(std::chrono::milliseconds lasts) {
    control::begin_bypass(
        area(), {.since_unix_ms = 1, .until_unix_ms = unix_ms_from_now(lasts), .by = "root", .reason = "test"},
        boot_ms_from_now(lasts));
  }
  static std::uint64_t boot_ms_from_now(std::chrono::milliseconds lasts) {
    return static_cast<std::uint64_t>((RealClock().since_boot() + lasts).count());
  }
};

TEST_F(WorkerBreakGlass, PassesEverythingDuringABypassAndCountsIt) {
  serve({folders_.version(1, "block_all")});
  EXPECT_TRUE(worker_->inspects());
  bypass(std::chrono::hours(1));
  EXPECT_FALSE(worker_->inspects());
  EXPECT_FALSE(worker_->inspects());
  EXPECT_EQ(slot().bypassed.load(), 2U);
  EXPECT_EQ(slot().requests.load(), 0U);
  control::end_bypass(area());
  EXPECT_TRUE(worker_->inspects());
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kBlock);
  EXPECT_EQ(slot().bypassed.load(), 2U);
}

TEST_F(WorkerBreakGlass, InspectsAgainWhenTheTimeIsOver) {
  serve({folders_.version(1, "block_all")});
  bypass(std::chrono::milliseconds(-1));
  EXPECT_TRUE(worker_->inspects());
  EXPECT_EQ(slot().bypassed.load(), 0U);
}

// What a clock that was set back an hour looks like: by it, the bypass would go on.
TEST_F(WorkerBreakGlass, InspectsAgainWhenTheTimeIsOverWhateverTheClockSays) {
  serve({folders_.version(1, "block_all")});
  const control::Statement by_clock{
      .since_unix_ms = 1, .until_unix_ms = unix_ms_from_now(std::chrono::hours(1)), .by = "root", .reason = "test"};
  control::begin_bypass(area(), by_clock, boot_ms_from_now(std::chrono::milliseconds(-1)));
  EXPECT_TRUE(worker_->inspects());
  control::begin_bypass(area(), by_clock, boot_ms_from_now(std::chrono::hours(25)));
  EXPECT_TRUE(worker_->inspects()) << "of another life of the machine";
  control::begin_bypass(area(), by_clock, 0);
  EXPECT_FALSE(worker_->inspects()) << "of an older command line";
}

TEST_F(WorkerBreakGlass, FollowsABypassThatBeganBeforeIt) {
  bypass(std::chrono::hours(1));
  serve({folders_.version(1, "block_all")});
  EXPECT_FALSE(worker_->inspects());
}

TEST_F(WorkerBreakGlass, DecidesByTheVersionBeforeTheOneThatIsTakenBack) {
  serve({folders_.version(2, "block_all"), folders_.version(1, "allow_all")});
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kBlock);
  ASSERT_TRUE(control::take_back(area(), 2));
  const Decision decision = worker_->decide(get_request());
  EXPECT_EQ(decision.action, Action::kPass);
  EXPECT_EQ(decision.version, folders_.version(1, "allow_all").label);
  EXPECT_EQ(series(1).verdicts[0].load(), 1U);
  control::let_decide_again(area(), 2);
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kBlock);
}

TEST_F(WorkerBreakGlass, AnotherVersionThatIsTakenBackChangesNothing) {
  serve({folders_.version(2, "block_all"), folders_.version(1, "allow_all")});
  ASSERT_TRUE(control::take_back(area(), 7));
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kBlock);
}

TEST_F(WorkerBreakGlass, WithoutAVersionBeforeItTheOneThatThereIsDecides) {
  serve({folders_.version(2, "block_all")});
  ASSERT_TRUE(control::take_back(area(), 2));
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kBlock);
}

TEST_F(WorkerBreakGlass, WhereTheVersionBeforeFailsAsWellThePolicyDecides) {
  serve({folders_.version(2, "block_all"), folders_.version(1, "traps_on_request")});
  ASSERT_TRUE(control::take_back(area(), 2));
  EXPECT_EQ(worker_->decide(request_with("x-trap")).action, Action::kPass) << "as open: there is nobody left to ask";
  EXPECT_EQ(series(1).errors[0].load(), 1U);
  EXPECT_EQ(series(2).verdicts[1].load(), 0U);
}

TEST_F(WorkerBreakGlass, ClosedStaysClosed) {
  serve({folders_.version(2, "block_all"), folders_.version(1, "traps_on_request")}, OnError::kClosed);
  ASSERT_TRUE(control::take_back(area(), 2));
  EXPECT_EQ(worker_->decide(request_with("x-trap")).action, Action::kUnavailable);
}

TEST_F(WorkerBreakGlass, WantsTheBodiesOfTheVersionThatDecides) {
  serve({folders_.version(2, "needs_no_body"), folders_.version(1, "body_reader")}, OnError::kOpen);
  EXPECT_FALSE(worker_->needs_body());
  ASSERT_TRUE(control::take_back(area(), 2));
  EXPECT_TRUE(worker_->needs_body());
}

TEST_F(WorkerBreakGlass, TheEventLoopAnswersADrill) {
  serve({folders_.version(1, "allow_all")});
  area().probe.store(4711);
  ASSERT_TRUE(eventually([&] { return loop_is_wanted(); }));
  EXPECT_NE(slot().probe_seen.load(), 4711U) << "only the loop answers";
  EXPECT_TRUE(eventually([&] {
    let_loop_swap();
    return slot().probe_seen.load() == 4711;
  }));
}

}  // namespace
}  // namespace secbeat::worker::test
