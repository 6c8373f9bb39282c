#include "executor.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "secbeat/http_testing/gate.hpp"

namespace secbeat::http {
namespace {

TEST(Executor, RunsAsManyJobsAtOnceAsItHasThreads) {
  Gate gate;  // outlives the executor's threads, which wait at it
  Executor executor(3, 10);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(executor.submit([&] { gate.pass(); }));
  EXPECT_TRUE(gate.await_waiting(3));
  gate.open();
}

TEST(Executor, RefusesWhatWouldWaitBeyondItsBound) {
  Gate gate;  // outlives the executor's thread, which waits at it
  Executor executor(1, 2);
  EXPECT_TRUE(executor.submit([&] { gate.pass(); }));
  ASSERT_TRUE(gate.await_waiting(1));
  EXPECT_TRUE(executor.submit([] {}));
  EXPECT_TRUE(executor.submit([] {}));
  EXPECT_FALSE(executor.submit([] {}));
  gate.open();
}

TEST(Executor, RunsWhatWaitsWhenItStops) {
  Executor executor(2, 100);
  std::atomic<int> ran{0};
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(executor.submit([&] { ++ran; }));
  executor.stop();
  EXPECT_EQ(ran, 50);
  EXPECT_FALSE(executor.submit([&] { ++ran; }));
}

}  // namespace
}  // namespace secbeat::http
