// Rollouts over a real nats-server. Nodes are stand-ins that answer as they are told.
#include "secbeat/orchestrator/rollouts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "nats_server.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class FakeNode {
 public:
  FakeNode(const fleet::NatsServer& server, std::string name) : name_(std::move(name)), connection_(server.connect()) {
    for (const auto& [subject, calls] :
         {std::pair(fleet::stage_subject(name_), &staged), std::pair(fleet::commit_subject(name_), &committed)}) {
      auto subscription = connection_->subscribe(subject, [this, counter = calls](std::string_view text) {
        const auto order = fleet::order_from_json(text).value();
        const bool stages = counter == &staged;
        const int call = ++*counter;
        if (silent) return std::string();
        fleet::OrderAnswer answer{.node = name_, .rollout = order.rollout};
        if (call < 3) return to_json(answer);  // works still
        answer.progress = fleet::Progress::kDone;
        if (stages ? fails_to_stage : fails_to_commit) {
          answer.progress = fleet::Progress::kFailed;
          answer.error = "Reload timed out after 1s";
          answer.code = "compile_timeout";
        }
        answer.downtime_ms = 2;
        return to_json(answer);
      });
      EXPECT_TRUE(subscription);
      subscriptions_.push_back(*std::move(subscription));
    }
    EXPECT_TRUE(fleet::eventually([&] {
      const bool heard =
          connection_
              ->request(
                  fleet::stage_subject(name_),
                  to_json(fleet::Order{.rollout = "r",
                                       .module = "m",
                                       .version = {.label = "v1", .sha256 = std::string(64, '0'), .config_sha256 = {}},
                                       .expected_version = {}}),
                  5s)
              .has_value();
      return heard;
    }));
    staged = 0;
  }
  void report(const std::string& label, std::uint64_t reached = 0) {
    const fleet::NodeStatus status{
        .node = name_,
        .ready = true,
        .modules = {{.name = "waf",
                     .version = {.label = label, .sha256 = std::string(64, '0'), .config_sha256 = {}},
                     .reached = reached,
                     .highest_label = 1}}};
    ASSERT_TRUE(connection_->put(fleet::kNodesBucket, name_, to_json(status)));
  }

  std::atomic<int> staged{0};
  std::atomic<int> committed{0};
  std::atomic<bool> silent{false};
  std::atomic<bool> fails_to_stage{false};
  std::atomic<bool> fails_to_commit{false};

 private:
  const std::string name_;
  std::unique_ptr<fleet::Connection> connection_;
  std::vector<std::unique_ptr<fleet::Subscription>> subscriptions_;
};

class FleetRollouts : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rollouts_.prepare(1));
    ASSERT_TRUE(rollouts_.prepare(1));
    one_.report("v1");
    two_.report("v1");
  }
  [[nodiscard]] std::optional<fleet::Desired> desired() const {
    const auto entry = connection_->get(fleet::kDesiredBucket, fleet::kDesiredKey).value();
    return entry ? std::optional(fleet::desired_from_json(entry->value).value()) : std::nullopt;
  }

  FleetReload wanted_{.module = "waf",
                      .file = "bytes",
                      .config = "{}",
                      .embedded_version = {},
                      .expected_version = {},
                      .reason = "test",
                      .by = "test"};
  fleet::NatsServer server_;
  std::unique_ptr<fleet::Connection> connection_ = server_.connect();
  Rollouts rollouts_{*connection_, {.timeouts = {.reach = 1000ms, .work = 20000ms, .ask = 5ms}}};
  FakeNode one_{server_, "node-1"};
  FakeNode two_{server_, "node-2"};
};

TEST_F(FleetRollouts, SwapsEverywhereAndThenDesiresIt) {
  const auto done = rollouts_.reload(wanted_);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->version, "v2");
  EXPECT_THAT(done->deployed_to, ElementsAre("node-1", "node-2"));
  EXPECT_THAT(done->failed, IsEmpty());
  EXPECT_EQ(done->total_downtime_ms, 4);
  const auto now = desired();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->revision, done->revision);
  EXPECT_EQ(now->modules[0].version.label, "v2");
  EXPECT_EQ(connection_->get_object(fleet::kModulesBucket, now->modules[0].version.sha256, 100).value(), "bytes");
  EXPECT_EQ(connection_->get_object(fleet::kModulesBucket, now->modules[0].version.config_sha256, 100).value(), "{}");
}

TEST_F(FleetRollouts, SwapsNowhereWhereOneCannotStage) {
  two_.fails_to_stage = true;
  const auto done = rollouts_.reload(wanted_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kStageFailed);
  EXPECT_EQ(done.error().in, FailedIn::kNothingSwapped);
  EXPECT_THAT(done.error().nodes, ElementsAre(NodeFailure{"node-2", "Reload timed out after 1s", "compile_timeout"}));
  EXPECT_EQ(one_.committed + two_.committed, 0);
  EXPECT_FALSE(desired());
}

TEST_F(FleetRollouts, GoesOnWithoutWhoCannotBeReached) {
  two_.silent = true;
  const auto done = rollouts_.reload(wanted_);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_THAT(done->deployed_to, ElementsAre("node-1"));
  ASSERT_EQ(done->failed.size(), 1);
  EXPECT_EQ(done->failed[0].node, "node-2");
  EXPECT_EQ(done->failed[0].code, "unreachable");
  EXPECT_EQ(two_.committed, 0);
  EXPECT_TRUE(desired()) << "it follows when it is back";
}

TEST_F(FleetRollouts, TellsWhoServesSomethingElseThanExpected) {
  two_.report("v5");
  wanted_.expected_version = "v1";
  const auto done = rollouts_.reload(wanted_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kVersionConflict);
  EXPECT_THAT(done.error().nodes,
              ElementsAre(NodeFailure{"node-2", "Version conflict: expected v1, got v5", "version_conflict"}));
  EXPECT_EQ(one_.staged, 0);
}

TEST_F(FleetRollouts, DesiresNothingWhereANodeDoesNotSwap) {
  two_.fails_to_commit = true;
  const auto done = rollouts_.reload(wanted_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kRolloutReverted);
  EXPECT_EQ(done.error().in, FailedIn::kPartly);
  EXPECT_FALSE(desired());
}

TEST_F(FleetRollouts, NumbersOnWhereTheDesiredStateIsLost) {
  one_.report("v1", 41);
  const auto done = rollouts_.reload(wanted_);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->revision, 42);
}

TEST_F(FleetRollouts, NeedsANode) {
  ASSERT_TRUE(connection_->remove(fleet::kNodesBucket, "node-1"));
  ASSERT_TRUE(connection_->remove(fleet::kNodesBucket, "node-2"));
  EXPECT_EQ(rollouts_.reload(wanted_).error().error.code, ErrorCode::kNoNodes);
}

}  // namespace
}  // namespace secbeat::orchestrator
