// Rollouts in one wave over a real nats-server. Nodes are stand-ins that answer as they are told.
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

using FleetRollouts = FleetTest;

TEST_F(FleetRollouts, SwapsEverywhereAndThenDesiresIt) {
  add_nodes(2);
  node(1).downtime_ms = node(2).downtime_ms = 2;
  const auto done = rollouts_.reload(wanted());
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->version, "v2");
  EXPECT_THAT(done->deployed_to, ElementsAre("node-1", "node-2"));
  EXPECT_THAT(done->waves, ElementsAre(ElementsAre("node-1", "node-2")));
  EXPECT_THAT(done->failed, IsEmpty());
  EXPECT_EQ(done->total_downtime_ms, 4);
  EXPECT_THAT(labels(), Each("v2"));
  const auto now = rollouts_.desired().value();
  EXPECT_EQ(now.revision, done->revision);
  ASSERT_EQ(desired(), "v2");
  const fleet::VersionRef& version = now.modules[0].version;
  EXPECT_EQ(connection_->get_object(fleet::kModulesBucket, version.sha256, 100).value(), "bytes 2");
  EXPECT_EQ(connection_->get_object(fleet::kModulesBucket, version.config_sha256, 100).value(), "{}");
  EXPECT_EQ(rollouts_.find(done->rollout)->state, fleet::RolloutState::kDone);
  EXPECT_EQ(rollouts_.list()->size(), 1);
}

TEST_F(FleetRollouts, SwapsNowhereWhereOneCannotStage) {
  add_nodes(2);
  node(2).fails_to_stage = true;
  const auto done = rollouts_.reload(wanted());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kStageFailed);
  EXPECT_THAT(done.error().error.message, HasSubstr("Nothing was swapped anywhere: node-2: Reload timed out"));
  EXPECT_EQ(done.error().in, FailedIn::kNothingSwapped);
  EXPECT_THAT(done.error().nodes, ElementsAre(NodeFailure{"node-2", "Reload timed out after 1s", "compile_timeout"}));
  EXPECT_THAT(labels(), Each("v1"));
  EXPECT_EQ(desired(), "");
}

TEST_F(FleetRollouts, GoesOnWithoutWhoCannotBeReached) {
  add_nodes(3);
  node(2).silent = true;
  ASSERT_TRUE(connection_->put(fleet::kNodesBucket, "node-9", to_json(fleet::NodeStatus{.node = "node-9"})));
  const auto done = rollouts_.reload(wanted());
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_THAT(done->deployed_to, ElementsAre("node-1", "node-3"));
  ASSERT_EQ(done->failed.size(), 2);
  EXPECT_EQ(done->failed[0].node, "node-2");
  EXPECT_EQ(done->failed[0].code, "unreachable");
  EXPECT_THAT(done->failed[1].error, HasSubstr("nobody listens there"));
  EXPECT_EQ(node(2).committed, 0);
  EXPECT_EQ(desired(), "v2") << "it follows when it is back";
}

TEST_F(FleetRollouts, SwapsNowhereWhereTooManyAreAway) {
  add_nodes(2);
  node(2).silent = true;
  FleetReload limited = wanted();
  limited.options.max_unavailable = 0;
  const auto done = rollouts_.reload(limited);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kMaxUnavailable);
  EXPECT_THAT(labels(), Each("v1"));
  node(1).silent = true;
  EXPECT_EQ(rollouts_.reload(wanted()).error().error.code, ErrorCode::kUnreachable);
}

TEST_F(FleetRollouts, TellsWhoServesSomethingElseThanExpected) {
  add_nodes(2);
  node(2).serve({.label = "v5", .sha256 = std::string(64, '5'), .config_sha256 = {}});
  FleetReload expecting = wanted();
  expecting.expected_version = "v1";
  const auto done = rollouts_.reload(expecting);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kVersionConflict);
  EXPECT_THAT(done.error().nodes,
              ElementsAre(NodeFailure{"node-2", "Version conflict: expected v1, got v5", "version_conflict"}));
  EXPECT_EQ(node(1).calls, 0);
}

TEST_F(FleetRollouts, TakesBackWhatWasReachedWhereANodeDoesNotSwap) {
  add_nodes(3);
  node(2).fails_to_commit = true;
  const auto done = rollouts_.reload(wanted());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kRolloutReverted);
  EXPECT_EQ(done.error().in, FailedIn::kReverted);
  EXPECT_THAT(done.error().reverted, ElementsAre("node-1", "node-3"));
  EXPECT_THAT(done.error().nodes, ElementsAre(NodeFailure{"node-2", "Reload timed out after 1s", "compile_timeout"}));
  EXPECT_THAT(labels(), Each("v1"));
  EXPECT_EQ(desired(), "");
}

TEST_F(FleetRollouts, WantsTheOldVersionAnewWhereANodeCannotBeTakenBack) {
  add_nodes(3);
  ASSERT_TRUE(rollouts_.reload(wanted(2)));
  const std::uint64_t revision = rollouts_.desired()->revision;
  node(2).fails_to_commit = true;
  node(3).silent_to_reverts = true;
  const auto done = rollouts_.reload(wanted(3));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().in, FailedIn::kPartly);
  EXPECT_THAT(labels(), ElementsAre("v2", "v2", "v3"));
  EXPECT_EQ(desired(), "v2");
  EXPECT_EQ(rollouts_.desired()->revision, revision + 2) << "newer than what node-3 has reached";
}

TEST_F(FleetRollouts, TakesBackWhoSwappedWithoutSayingSo) {
  add_nodes(3);
  node(2).fails_to_commit = true;
  node(3).works_for = 0;
  node(3).silent_to_commits = node(3).swaps_in_silence = true;
  const auto done = rollouts_.reload(wanted());
  ASSERT_FALSE(done);
  EXPECT_EQ(node(3).committed, 1);
  EXPECT_EQ(done.error().in, FailedIn::kReverted);
  EXPECT_THAT(labels(), Each("v1"));
}

TEST_F(FleetRollouts, NumbersOnWhereTheDesiredStateIsLost) {
  add_nodes(1);
  ASSERT_TRUE(rollouts_.reload(wanted(2)));
  ASSERT_TRUE(rollouts_.reload(wanted(3)));
  ASSERT_TRUE(connection_->remove(fleet::kDesiredBucket, fleet::kDesiredKey));
  ASSERT_TRUE(connection_->remove(fleet::kDesiredBucket, fleet::running_key(FakeNode::kModule)));
  const auto done = rollouts_.reload(wanted(4));
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->revision, 3);
  EXPECT_EQ(done->version, "v4");
}

TEST_F(FleetRollouts, NeedsANode) {
  EXPECT_EQ(rollouts_.reload(wanted()).error().error.code, ErrorCode::kNoNodes);
  add_nodes(1);
  FleetReload nobody = wanted();
  nobody.options.target = "region=eu";
  EXPECT_EQ(rollouts_.reload(nobody).error().error.code, ErrorCode::kNoNodes);
  nobody.options = {.waves = "many"};
  EXPECT_EQ(rollouts_.reload(nobody).error().error.code, ErrorCode::kBadRequest);
}

TEST_F(FleetRollouts, ReachesSomeOfTheNodesAndLeavesTheDesiredStateAlone) {
  add_nodes(3);
  ASSERT_TRUE(rollouts_.reload(wanted(2)));
  node(3).set_labels({{"region", "eu"}});
  FleetReload some = wanted(3);
  some.options.target = "region=eu";
  ASSERT_TRUE(rollouts_.reload(some));
  EXPECT_THAT(labels(), ElementsAre("v2", "v2", "v3"));
  EXPECT_EQ(desired(), "v2");
  const auto versions = rollouts_.versions().value();
  ASSERT_EQ(versions.size(), 1);
  EXPECT_EQ(versions[0].nodes[0].drift, "");
  EXPECT_EQ(versions[0].nodes[2].drift, "it serves v3, v2 is desired");
  some = wanted(4);
  some.options.target = "node-1,node-2";
  ASSERT_TRUE(rollouts_.reload(some));
  EXPECT_THAT(labels(), ElementsAre("v4", "v4", "v3"));
}

// Two hundred at once: asked one after the other, the silent ones alone would take a minute.
TEST_F(FleetRollouts, AsksAllAtOnceAndSilentNodesDelayNobody) {
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(connection_->put(fleet::kNodesBucket, "gone-" + std::to_string(i),
                                 to_json(fleet::NodeStatus{.node = "gone-" + std::to_string(i)})));
  }
  for (int i = 0; i < 50; ++i) {
    nodes_.push_back(std::make_unique<FakeNode>(connection_, "node-" + std::to_string(i)));
    nodes_.back()->silent = i % 2 == 0;
  }
  const auto id = rollouts_.begin(wanted());
  ASSERT_TRUE(id) << id.error().error.message;
  EXPECT_TRUE(fleet::eventually(
      [&] { return std::ranges::all_of(nodes_, [](const auto& one) { return one->silent || one->staged == 1; }); }));
  EXPECT_EQ(rollouts_.find(*id)->state, fleet::RolloutState::kStaging) << "the others are awaited still";
  const auto ended = rollouts_.wait(*id, 60s).value();
  ASSERT_TRUE(ended);
  const auto done = outcome_of(*ended);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->deployed_to.size(), 25);
  EXPECT_EQ(done->failed.size(), 55);
}

}  // namespace
}  // namespace secbeat::orchestrator
