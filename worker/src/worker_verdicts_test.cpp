// What becomes of verdicts: the chain's order, the rate limit, counters and events.
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <utility>

#include "event_ring.hpp"
#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

class WorkerVerdicts : public WorkerTest {
 protected:
  void start_with(std::vector<control::Slot> slots) {
    folders_.write_in_force(document_of(1, std::move(slots)));
    start_worker();
  }
  [[nodiscard]] std::uint64_t asked(std::uint64_t version) const {
    const auto& verdicts = series(version).verdicts;
    return std::accumulate(std::begin(verdicts), std::end(verdicts), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& counter) { return sum + counter.load(); });
  }
};

TEST_F(WorkerVerdicts, AsksModulesInOrderUntilOneBlocks) {
  start_with({slot_of("first", {folders_.version(1, "allow_all")}),
              slot_of("second", {folders_.version(2, "block_when_header")}),
              slot_of("third", {folders_.version(3, "log_all")})});
  const Decision passed = worker_->decide(get_request());
  EXPECT_EQ(passed.action, Action::kPass);
  EXPECT_EQ(passed.module, "third");
  EXPECT_EQ(passed.verdict, engine::Verdict::kLog);

  const Decision blocked = worker_->decide(request_with("x-block"));
  EXPECT_EQ(blocked.action, Action::kBlock);
  EXPECT_EQ(blocked.verdict, engine::Verdict::kBlock);
  EXPECT_EQ(blocked.module, "second");
  EXPECT_EQ(blocked.version, "v2");
  EXPECT_EQ(asked(1), 2U);
  EXPECT_EQ(asked(2), 2U);
  EXPECT_EQ(asked(3), 1U) << "nobody is asked after a block";
  EXPECT_EQ(slot().requests.load(), 2U);
}

TEST_F(WorkerVerdicts, TheHistogramHoldsEveryCall) {
  start_with({slot_of("rules", {folders_.version(1, "allow_all")})});
  for (int i = 0; i < 50; ++i) worker_->decide(get_request());
  const auto& buckets = series(1).buckets;
  EXPECT_EQ(std::accumulate(std::begin(buckets), std::end(buckets), std::uint64_t{0},
                            [](std::uint64_t sum, const auto& counter) { return sum + counter.load(); }),
            50U);
  EXPECT_GT(series(1).sum_ns.load(), 0U);
}

TEST_F(WorkerVerdicts, TellsTheAgentAboutEveryRequestThatIsNotSimplyLetThrough) {
  FakeAgent agent(folders_.paths().socket());
  start_with({slot_of("rules", {folders_.version(1, "block_when_header")})});
  agent.accept();
  worker_->decide(get_request());
  worker_->decide(request_with("x-block"));
  const control::Event event = agent.events(1).front();
  EXPECT_EQ(event.kind, "block");
  EXPECT_EQ(event.rule, "x-block");
  EXPECT_EQ(event.message, "The request has the header x-block");
  EXPECT_EQ(event.method, "GET");
  EXPECT_EQ(event.uri, "/odd");
  EXPECT_EQ(event.source_ip, "198.51.100.7");
  EXPECT_EQ(event.module, "rules");
  EXPECT_EQ(event.version_id, 1U);
  EXPECT_EQ(event.unix_ms, 1'763'946'003'000);
}

TEST_F(WorkerVerdicts, CountsEveryVerdictByRuleWithoutRoomForEvents) {
  start_with({slot_of("logs", {folders_.version(1, "log_all")}),
              slot_of("blocks", {folders_.version(2, "block_when_header")})});
  constexpr std::uint64_t kRequests = 2 * EventRing::kCapacity;
  for (std::uint64_t i = 0; i < kRequests; ++i) worker_->decide(request_with("x-block"));
  const Decision blocked = worker_->decide(request_with("x-block"));
  EXPECT_EQ(blocked.rule, "x-block");
  EXPECT_EQ(blocked.message, "The request has the header x-block");
  const Decision logged = worker_->decide(get_request());
  EXPECT_EQ(logged.module, "blocks");
  EXPECT_EQ(logged.rule, "") << "of the one that decided, which allowed";
  EXPECT_GT(slot().events_dropped.load(), 0U);
  const auto rules = control::read_rules(scoreboard_->layout().rules);
  ASSERT_EQ(rules.size(), 2U);
  for (const control::RuleCount& rule : rules) {
    const bool blocks = rule.module == "blocks";
    EXPECT_EQ(rule.rule, blocks ? "x-block" : "log-all");
    EXPECT_EQ(rule.verdicts[0], blocks ? kRequests + 1 : 0);
    EXPECT_EQ(rule.verdicts[1], blocks ? 0 : kRequests + 2);
    EXPECT_EQ(rule.last_unix_ms, 1'763'946'003'000U);
  }
}

TEST_F(WorkerVerdicts, LimitsTheRateOfOneSourceAndOfNoOther) {
  FakeAgent agent(folders_.paths().socket());
  auto document = document_of(1, {slot_of("limiter", {folders_.version(1, "rate_limit_all")}),
                                  slot_of("after", {folders_.version(2, "allow_all")})});
  document.rate_limit_per_second = 0.01;  // so slow that no request becomes free while the test runs
  document.rate_limit_burst = 3;
  folders_.write_in_force(document);
  start_worker();
  agent.accept();
  for (int i = 0; i < 3; ++i) {
    const Decision passed = worker_->decide(get_request());
    EXPECT_EQ(passed.action, Action::kPass);
    EXPECT_EQ(passed.module, "after");
  }
  const Decision limited = worker_->decide(get_request());
  EXPECT_EQ(limited.action, Action::kTooMany);
  EXPECT_EQ(limited.verdict, engine::Verdict::kRateLimit);
  EXPECT_EQ(limited.module, "limiter");
  EXPECT_GE(limited.retry_after_seconds, 1U);
  EXPECT_EQ(asked(2), 3U);
  EXPECT_EQ(worker_->decide(get_request("/", "203.0.113.9")).action, Action::kPass);
  EXPECT_EQ(agent.events(5)[3].kind, "rate_limit");
}

TEST_F(WorkerVerdicts, DropsAndCountsEventsThatDoNotFit) {
  start_with({slot_of("rules", {folders_.version(1, "log_all")})});
  constexpr std::size_t kTooMany = 44;
  for (std::size_t i = 0; i < EventRing::kCapacity + kTooMany; ++i) worker_->decide(get_request());
  EXPECT_EQ(slot().events_dropped.load(), kTooMany);
  EXPECT_EQ(series(1).verdicts[2].load(), EventRing::kCapacity + kTooMany);

  FakeAgent agent(folders_.paths().socket());
  agent.accept();
  EXPECT_EQ(agent.events(EventRing::kCapacity).size(), EventRing::kCapacity);
  EXPECT_LE(agent.largest_batch(), control::kMaxEventsPerMessage);
  worker_->decide(get_request());
  EXPECT_EQ(agent.events(EventRing::kCapacity + 1).back().rule, "log-all");
}

TEST_F(WorkerVerdicts, NeverWaitsForAnAgentThatDoesNotRead) {
  FakeAgent agent(folders_.paths().socket());
  start_with({slot_of("rules", {folders_.version(1, "log_all")})});
  agent.accept();
  // Until the socket is full: the ring has taken nothing for several of the helper thread's looks at it.
  std::size_t decided = 0;
  std::size_t taken = 0;
  auto last_taken = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] {
    worker_->decide(get_request());
    const std::size_t now_taken = ++decided - slot().events_dropped.load();
    if (std::exchange(taken, now_taken) != now_taken) last_taken = std::chrono::steady_clock::now();
    return std::chrono::steady_clock::now() - last_taken > std::chrono::milliseconds(500);
  }));
  EXPECT_GT(taken, EventRing::kCapacity);
  EXPECT_GT(slot().events_dropped.load(), 0U);
  EXPECT_EQ(agent.events(taken).size(), taken) << "each event is sent or counted as dropped";
}

TEST_F(WorkerVerdicts, CarriesBytesThatAreNoText) {
  FakeAgent agent(folders_.paths().socket());
  start_with({slot_of("rules", {folders_.version(1, "log_all")})});
  agent.accept();
  worker_->decide(get_request("/\xff\x01\"\\\xc3"));
  EXPECT_EQ(agent.events(1).front().uri, "/\xef\xbf\xbd\x01\"\\\xef\xbf\xbd");
}

}  // namespace
}  // namespace secbeat::worker::test
