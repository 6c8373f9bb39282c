// A module that fails: its error is counted, its policy decides, and its instance is replaced.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

using control::OnError;

struct Failure {
  const char* kind;
  std::size_t index;   // of its counter
  const char* guest;   // nullptr: a version whose artifact is damaged
  const char* header;  // of the request at which it fails
};
constexpr Failure kFailures[] = {
    {"trap", 0, "traps_on_request", "x-trap"},
    {"deadline", 1, "loops_on_request", "x-loop"},
    {"memory", 2, "eats_memory_on_request", "x-eat"},
    {"bad_verdict", 3, "returns_seven_on_request", "x-trap"},
    {"no_instance", 4, nullptr, "x-any"},
};
constexpr OnError kPolicies[] = {OnError::kPrevious, OnError::kOpen, OnError::kClosed};

class WorkerErrors : public WorkerTest {
 protected:
  // Chain of the failing module and one that blocks everything after it.
  void start_with(const Failure& failure, OnError policy, const std::vector<std::string>& previous) {
    agent_.emplace(folders_.paths().socket());
    std::vector<control::Version> versions{
        folders_.version(2, failure.guest != nullptr ? failure.guest : "generation_3")};
    if (failure.guest == nullptr) folders_.corrupt(versions[0]);
    for (const std::string& guest : previous) versions.push_back(folders_.version(1, guest));
    folders_.write_in_force(document_of(
        1, {slot_of("failing", versions, policy), slot_of("after", {folders_.version(9, "generation_0")})}));
    start_worker();
    agent_->accept();
  }
  [[nodiscard]] std::uint64_t errors_of(std::uint64_t version) const {
    std::uint64_t sum = 0;
    for (const auto& counter : series(version).errors) sum += counter.load();
    return sum;
  }

  std::optional<FakeAgent> agent_;
};

class OnErrorTable : public WorkerErrors, public ::testing::WithParamInterface<std::tuple<Failure, OnError>> {};

TEST_P(OnErrorTable, Decides) {
  const auto& [failure, policy] = GetParam();
  start_with(failure, policy, {"generation_1"});
  const Decision decision = worker_->decide(request_with(failure.header));

  EXPECT_EQ(series(2).errors[failure.index].load(), 1U);
  EXPECT_EQ(errors_of(2), 1U);
  EXPECT_EQ(slot().requests.load(), 1U);
  const control::Event event = agent_->events(1).front();
  EXPECT_EQ(event.kind, failure.kind);
  EXPECT_EQ(event.module, "failing");
  EXPECT_EQ(event.version_id, 2U);
  EXPECT_EQ(event.uri, "/odd");
  EXPECT_FALSE(event.message.empty());

  if (policy == OnError::kClosed) {
    EXPECT_EQ(decision.action, Action::kUnavailable);
    EXPECT_EQ(decision.module, "failing");
    EXPECT_EQ(series(9).verdicts[0].load(), 0U);
  } else {
    EXPECT_EQ(decision.action, Action::kPass);
    EXPECT_EQ(decision.module, "after") << "the chain goes on";
    EXPECT_EQ(series(9).verdicts[0].load(), 1U);
  }
  EXPECT_EQ(series(1).verdicts[0].load(), policy == OnError::kPrevious ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Worker, OnErrorTable,
                         ::testing::Combine(::testing::ValuesIn(kFailures), ::testing::ValuesIn(kPolicies)),
                         [](const auto& parameters) {
                           return std::string(std::get<0>(parameters.param).kind) + "_" +
                                  std::string(control::word_of(std::get<1>(parameters.param)));
                         });

constexpr Failure kTrap = kFailures[0];

TEST_F(WorkerErrors, ThePreviousVersionsVerdictCounts) {
  start_with(kTrap, OnError::kPrevious, {"block_all"});
  const Decision decision = worker_->decide(request_with("x-trap"));
  EXPECT_EQ(decision.action, Action::kBlock);
  EXPECT_EQ(decision.module, "failing");
  EXPECT_EQ(decision.version, "v1");
  EXPECT_EQ(agent_->events(2)[1].version_id, 1U);
}

TEST_F(WorkerErrors, WithoutAPreviousVersionTheChainGoesOn) {
  start_with(kTrap, OnError::kPrevious, {});
  const Decision decision = worker_->decide(request_with("x-trap"));
  EXPECT_EQ(decision.action, Action::kPass);
  EXPECT_EQ(decision.module, "after");
}

TEST_F(WorkerErrors, WhereThePreviousVersionFailsTooTheChainGoesOnAndBothAreCounted) {
  start_with(kTrap, OnError::kPrevious, {"returns_seven_on_request"});
  const Decision decision = worker_->decide(request_with("x-trap"));
  EXPECT_EQ(decision.action, Action::kPass);
  EXPECT_EQ(decision.module, "after");
  EXPECT_EQ(series(2).errors[0].load(), 1U);
  EXPECT_EQ(series(1).errors[3].load(), 1U);
}

class UnreadRequest : public WorkerErrors, public ::testing::WithParamInterface<OnError> {};

TEST_P(UnreadRequest, IsAnErrorOfEveryModuleUpToAClosedOne) {
  start_with(kTrap, GetParam(), {"block_all"});
  const Decision decision = worker_->decide_unread(get_request(), "no memory");
  const bool closed = GetParam() == OnError::kClosed;
  EXPECT_EQ(decision.action, closed ? Action::kUnavailable : Action::kPass);
  EXPECT_EQ(decision.module, closed ? "failing" : "");
  EXPECT_EQ(series(2).errors[2].load(), 1U);
  EXPECT_EQ(series(1).errors[2].load(), 0U) << "the version before cannot be asked either";
  EXPECT_EQ(series(9).errors[2].load(), closed ? 0U : 1U);
  EXPECT_EQ(slot().requests.load(), 1U);
  const control::Event event = agent_->events(1).front();
  EXPECT_EQ(event.kind, "memory");
  EXPECT_EQ(event.message, "no memory");
}

INSTANTIATE_TEST_SUITE_P(Worker, UnreadRequest, ::testing::ValuesIn(kPolicies),
                         [](const auto& policy) { return std::string(control::word_of(policy.param)); });

TEST_F(WorkerErrors, TheNextRequestMeetsANewInstance) {
  start_with(kTrap, OnError::kClosed, {});
  for (std::uint64_t round = 1; round <= 20; ++round) {
    EXPECT_EQ(worker_->decide(request_with("x-trap")).action, Action::kUnavailable);
    EXPECT_TRUE(eventually([&] { return worker_->decide(get_request()).action == Action::kPass; }));
  }
  EXPECT_GE(series(2).errors[0].load(), 1U);
}

TEST_F(WorkerErrors, OneFailureIsCoveredByTheSpare) {
  start_with(kTrap, OnError::kClosed, {});
  bring_into_service(*agent_,
                     document_of(2, {slot_of("failing", {folders_.version(2, "traps_on_request")}, OnError::kClosed)}));
  worker_->decide(request_with("x-trap"));
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
  EXPECT_EQ(series(2).errors[4].load(), 0U);
}

TEST_F(WorkerErrors, ThePreviousVersionsInstanceIsReplacedAsWell) {
  start_with(kTrap, OnError::kPrevious, {"traps_on_request"});
  worker_->decide(request_with("x-trap"));
  EXPECT_EQ(series(1).errors[0].load(), 1U);
  EXPECT_TRUE(eventually([&] {
    worker_->decide(request_with("x-trap"));
    return series(1).errors[0].load() >= 5;
  })) << "only an instance can trap";
}

TEST_F(WorkerErrors, AModuleThatAlwaysFailsStaysInTheChain) {
  start_with({"trap", 0, "traps_always", ""}, OnError::kOpen, {});
  for (int i = 0; i < 200; ++i) EXPECT_EQ(worker_->decide(get_request()).module, "after");
  EXPECT_EQ(errors_of(2), 200U);
  EXPECT_EQ(series(9).verdicts[0].load(), 200U);
}

TEST_F(WorkerErrors, ATrapInTheReasonsForAVerdictKeepsTheVerdict) {
  start_with({"trap", 0, "traps_in_verdict_detail", ""}, OnError::kOpen, {});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return worker_->decide(get_request()).action == Action::kBlock; }));
  }
  EXPECT_EQ(series(2).errors[0].load(), 0U);
  EXPECT_GE(series(2).verdicts[1].load(), 3U);
}

}  // namespace
}  // namespace secbeat::worker::test
