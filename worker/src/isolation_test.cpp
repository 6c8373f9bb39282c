// isolation = "request": each request meets the module as it was loaded.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

using control::OnError;
using engine::Isolation;

[[maybe_unused]] std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

[[maybe_unused]] std::size_t open_descriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

class WorkerIsolation : public WorkerTest {
 protected:
  void start_with(std::vector<control::Version> versions, Isolation isolation, OnError policy = OnError::kOpen) {
    control::Slot slot = slot_of("rules", std::move(versions), policy);
    slot.isolation = isolation;
    folders_.write_in_force(document_of(1, {std::move(slot)}));
    start_worker();
  }
};

// The guest blocks from its third request on.
TEST_F(WorkerIsolation, OfAnInstanceKeepsWhatTheModuleRemembers) {
  start_with({folders_.version(1, "remembers_requests")}, Isolation::kInstance);
  std::vector<Action> actions;
  for (int i = 0; i < 4; ++i) actions.push_back(worker_->decide(get_request()).action);
  EXPECT_EQ(actions.back(), Action::kBlock);
}

TEST_F(WorkerIsolation, OfARequestForgetsIt) {
  start_with({folders_.version(1, "remembers_requests")}, Isolation::kRequest);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(worker_->decide(get_request()).action, Action::kPass) << i;
  EXPECT_EQ(series(1).verdicts[0].load(), 1000U);
}

#ifndef SECBEAT_SANITIZED_ADDRESS  // which keeps what is freed
TEST_F(WorkerIsolation, OfARequestLeavesNothingBehind) {
  start_with({folders_.version(1, "block_when_header")}, Isolation::kRequest);
  const auto decide = [&](int times) {
    for (int i = 0; i < times; ++i) worker_->decide(get_request());
  };
  decide(1000);
  const std::size_t memory = resident_bytes();
  const std::size_t descriptors = open_descriptors();
  decide(100'000);
  EXPECT_LT(resident_bytes(), memory + (std::size_t{1} << 20U));
  EXPECT_EQ(open_descriptors(), descriptors);
}
#endif

TEST_F(WorkerIsolation, ABlockOfAFreshInstanceIsToldWithItsRule) {
  FakeAgent agent(folders_.paths().socket());
  start_with({folders_.version(1, "block_when_header")}, Isolation::kRequest);
  agent.accept();
  EXPECT_EQ(worker_->decide(request_with("x-block")).action, Action::kBlock);
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
  EXPECT_FALSE(agent.events(1).front().rule.empty());
}

struct FailingRequest {
  const char* guest;
  const char* header;
  std::size_t index;  // of its counter
};
constexpr FailingRequest kFailingRequests[] = {
    {"traps_on_request", "x-trap", 0},
    {"loops_on_request", "x-loop", 1},
    {"eats_memory_on_request", "x-eat", 2},
    {"returns_seven_on_request", "x-trap", 3},
};

class IsolatedFailure : public WorkerIsolation, public ::testing::WithParamInterface<FailingRequest> {};

TEST_P(IsolatedFailure, IsCountedAndDecidedByThePolicy) {
  start_with({folders_.version(2, GetParam().guest), folders_.version(1, "block_all")}, Isolation::kRequest,
             OnError::kPrevious);
  EXPECT_EQ(worker_->decide(request_with(GetParam().header)).action, Action::kBlock) << "by the version before";
  EXPECT_EQ(series(2).errors[GetParam().index].load(), 1U);
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
  EXPECT_EQ(worker_->decide(request_with(GetParam().header)).version, "v1");
  EXPECT_EQ(series(2).errors[GetParam().index].load(), 2U);
}

INSTANTIATE_TEST_SUITE_P(OfEachKind, IsolatedFailure, ::testing::ValuesIn(kFailingRequests));

TEST_F(WorkerIsolation, AModuleWithConfigureIsNotServed) {
  start_with({folders_.version(1, "configurable", "forbidden")}, Isolation::kRequest);
  EXPECT_TRUE(logged("exports configure")) << ::testing::PrintToString(log_);
  EXPECT_EQ(slot().generation.load(), 0U);
}

TEST_F(WorkerIsolation, AChangeOfItIsAnotherLoadedVersion) {
  FakeAgent agent(folders_.paths().socket());
  const control::Version version = folders_.version(1, "remembers_requests");
  start_with({version}, Isolation::kInstance);
  agent.accept();
  control::Slot slot = slot_of("rules", {version}, OnError::kOpen);
  slot.isolation = Isolation::kRequest;
  bring_into_service(agent, document_of(2, {slot}));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
}

}  // namespace
}  // namespace secbeat::worker::test
