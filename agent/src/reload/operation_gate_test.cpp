#include "operation_gate.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <optional>
#include <thread>

namespace secbeat::agent {
namespace {

void wait_until_cancelled(const CancelToken& token) {
  pollfd wanted{token.fd(), POLLIN, 0};
  while (::poll(&wanted, 1, -1) < 1) {
  }
}

TEST(OperationGate, OneUploadAtATime) {
  OperationGate gate;
  {
    const auto first = gate.enter_upload();
    ASSERT_TRUE(first);
    EXPECT_EQ(gate.enter_upload().error().code, ErrorCode::kReloadInProgress);
    EXPECT_FALSE(first->cancel().cancelled());
  }
  EXPECT_TRUE(gate.enter_upload());
}

TEST(OperationGate, ARollbackCancelsTheUploadAndWaitsUntilItHasLeft) {
  OperationGate gate;
  std::optional<Result<OperationGate::Turn>> upload(gate.enter_upload());
  std::atomic<bool> left = false;
  std::thread rollback([&] {
    const auto turn = gate.enter_rollback();
    ASSERT_TRUE(turn);
    EXPECT_TRUE(left);
    EXPECT_FALSE(turn->cancel().cancelled());
  });
  wait_until_cancelled((*upload)->cancel());
  EXPECT_EQ(gate.enter_upload().error().code, ErrorCode::kReloadInProgress);
  left = true;
  upload.reset();
  rollback.join();
  EXPECT_TRUE(gate.enter_upload());
}

TEST(OperationGate, WhoWaitsInTurnComesAfterTheUploadAndTheRollback) {
  OperationGate gate;
  std::optional<Result<OperationGate::Turn>> upload(gate.enter_upload());
  std::atomic<bool> rolled_back = false;
  std::thread rollback([&] {
    const auto turn = gate.enter_rollback();
    ASSERT_TRUE(turn);
    rolled_back = true;
  });
  wait_until_cancelled((*upload)->cancel());  // the rollback waits
  std::thread in_turn([&] {
    const auto turn = gate.enter_in_turn();
    ASSERT_TRUE(turn);
    EXPECT_TRUE(rolled_back);
    EXPECT_EQ(gate.enter_upload().error().code, ErrorCode::kReloadInProgress);
  });
  upload.reset();
  rollback.join();
  in_turn.join();
  EXPECT_TRUE(gate.enter_upload());
}

TEST(OperationGate, TheEndSendsAwayWhoWaitsInTurn) {
  OperationGate gate;
  std::optional<Result<OperationGate::Turn>> upload(gate.enter_upload());
  std::thread in_turn([&] { EXPECT_EQ(gate.enter_in_turn().error().code, ErrorCode::kShuttingDown); });
  std::thread ending([&] { gate.shut_down(); });
  wait_until_cancelled((*upload)->cancel());
  in_turn.join();
  upload.reset();
  ending.join();
  EXPECT_EQ(gate.enter_in_turn().error().code, ErrorCode::kShuttingDown);
}

TEST(OperationGate, RollbacksTakeTurns) {
  OperationGate gate;
  std::atomic<int> inside = 0;
  std::vector<std::thread> rollbacks;
  rollbacks.reserve(8);
  for (int i = 0; i < 8; ++i) {
    rollbacks.emplace_back([&] {
      const auto turn = gate.enter_rollback();
      ASSERT_TRUE(turn);
      EXPECT_EQ(++inside, 1);
      --inside;
    });
  }
  for (std::thread& rollback : rollbacks) rollback.join();
}

TEST(OperationGate, TheEndCancelsWhatRunsAndLetsNothingIn) {
  OperationGate gate;
  std::optional<Result<OperationGate::Turn>> upload(gate.enter_upload());
  std::thread waiting([&] {
    const auto turn = gate.enter_rollback();
    if (turn) return;  // it came before the end
    EXPECT_EQ(turn.error().code, ErrorCode::kShuttingDown);
  });
  std::thread ending([&] { gate.shut_down(); });
  wait_until_cancelled((*upload)->cancel());
  upload.reset();
  ending.join();
  waiting.join();
  EXPECT_TRUE(gate.closing());
  EXPECT_EQ(gate.enter_upload().error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(gate.enter_rollback().error().code, ErrorCode::kShuttingDown);
}

}  // namespace
}  // namespace secbeat::agent
