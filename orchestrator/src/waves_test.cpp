// Waves that are observed, halted, paused; and what is done with a fleet besides.
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class FleetWaves : public FleetTest {
 protected:
  static FleetReload canary(std::uint64_t observe_seconds = 60) {
    FleetReload reload = wanted();
    reload.options = {.canary = "1", .observe_seconds = observe_seconds};
    return reload;
  }
  // The id of a rollout whose canary is observed.
  std::string observed(const FleetReload& reload) {
    const auto id = rollouts_.begin(reload);
    EXPECT_TRUE(id) << id.error().error.message;
    EXPECT_TRUE(comes_to(*id, fleet::RolloutState::kObserving));
    return *id;
  }
  std::expected<FleetResult, FleetFailure> end_of(const std::string& id) {
    const auto ended = rollouts_.wait(id, 60s).value();
    EXPECT_TRUE(ended);
    return outcome_of(*ended);
  }
};

TEST_F(FleetWaves, ReachOneAfterTheOtherAndAreObservedBetween) {
  add_nodes(4);
  FleetReload reload = wanted();
  reload.options = {.waves = "1,50%,100%", .observe_seconds = 1};
  const std::string id = observed(reload);
  EXPECT_THAT(labels(), ElementsAre("v2", "v1", "v1", "v1"));
  EXPECT_EQ(desired(), "") << "who comes now follows what is through";
  EXPECT_TRUE(comes_to(id, fleet::RolloutState::kObserving, 1));
  EXPECT_THAT(labels(), ElementsAre("v2", "v2", "v1", "v1"));
  const auto done = end_of(id);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_THAT(done->waves, ElementsAre(ElementsAre("node-1"), ElementsAre("node-2"), ElementsAre("node-3", "node-4")));
  EXPECT_THAT(labels(), Each("v2"));
  EXPECT_EQ(desired(), "v2");
}

TEST_F(FleetWaves, AreTakenBackWhereErrorsAppear) {
  add_nodes(3);
  node(1).set_counts({.inspected = 10000, .blocked = 100});
  const std::string id = observed(canary());
  EXPECT_EQ(rollouts_.find(id)->waves[0].nodes[0].baseline, (fleet::Counts{.inspected = 10000, .blocked = 100}));
  node(1).set_counts({.inspected = 100, .errors = 50});
  const auto done = end_of(id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kRolloutReverted);
  EXPECT_THAT(done.error().error.message, HasSubstr("Wave 1 was taken back: errors of the wave: 50.00 %"));
  EXPECT_EQ(done.error().in, FailedIn::kReverted);
  EXPECT_THAT(done.error().reverted, ElementsAre("node-1"));
  EXPECT_THAT(labels(), Each("v1"));
  EXPECT_EQ(node(2).committed + node(3).committed, 0);
}

TEST_F(FleetWaves, AreHeldAgainstTheNodesNotYetReached) {
  add_nodes(2);
  node(1).set_counts({.inspected = 10000, .blocked = 100});
  node(2).set_counts({.inspected = 10000, .blocked = 100});
  const std::string id = observed(canary(1));
  node(2).set_counts({.inspected = 20000, .blocked = 9000});
  node(1).set_counts({.inspected = 10000, .blocked = 9000});
  const auto done = end_of(id);
  EXPECT_TRUE(done) << "an attack on all nodes: " << done.error().error.message;
}

TEST_F(FleetWaves, AreTakenBackAtOnceWhereANodeHasTakenBackItself) {
  add_nodes(3);
  const auto before = node(1).serving();
  const std::string id = observed(canary());
  node(1).serve(before);
  const auto done = end_of(id);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().error.message, HasSubstr("node-1 serves v1 instead of v2"));
  EXPECT_EQ(node(1).reverted, 0) << "it has done so already";
  EXPECT_THAT(labels(), Each("v1"));
}

TEST_F(FleetWaves, AreTakenBackWhereANodeIsGone) {
  add_nodes(2);
  const std::string id = observed(canary());
  ASSERT_TRUE(connection_->remove(fleet::kNodesBucket, "node-1"));
  const auto done = end_of(id);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().error.message, HasSubstr("node-1 does not report any more"));
  EXPECT_THAT(labels(), Each("v1"));
}

TEST_F(FleetWaves, WaitWhilePausedAndGoOnWhenResumed) {
  add_nodes(2);
  const std::string id = observed(canary(1));
  ASSERT_TRUE(rollouts_.pause(id));
  EXPECT_TRUE(comes_to(id, fleet::RolloutState::kPaused));
  EXPECT_EQ(rollouts_.begin(wanted(3)).error().rollout, id);
  EXPECT_THAT(labels(), ElementsAre("v2", "v1"));
  ASSERT_TRUE(rollouts_.resume(id));
  EXPECT_TRUE(end_of(id));
  EXPECT_THAT(labels(), Each("v2"));
  EXPECT_EQ(rollouts_.pause(id).error().code, ErrorCode::kRolloutEnded);
  EXPECT_EQ(rollouts_.resume(id).error().code, ErrorCode::kRolloutEnded);
  EXPECT_EQ(rollouts_.abort("r-none").error().code, ErrorCode::kUnknownRollout);
}

TEST_F(FleetWaves, AreTakenBackWhenAborted) {
  add_nodes(2);
  std::string id = observed(canary());
  ASSERT_TRUE(rollouts_.abort(id));
  auto done = end_of(id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kRolloutAborted);
  EXPECT_THAT(done.error().reverted, ElementsAre("node-1"));
  EXPECT_THAT(labels(), Each("v1"));

  node(2).works_for = 1'000'000;
  id = rollouts_.begin(wanted(3)).value();
  ASSERT_TRUE(rollouts_.abort(id));
  done = end_of(id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().in, FailedIn::kNothingSwapped);
  EXPECT_EQ(rollouts_.find(id)->state, fleet::RolloutState::kAborted);
}

TEST_F(FleetWaves, RollBackToTheVersionBeforeAndFurther) {
  add_nodes(2);
  EXPECT_EQ(rollouts_.rollback({.module = FakeNode::kModule}).error().error.code, ErrorCode::kUnknownModule);
  for (int i = 2; i <= 4; ++i) ASSERT_TRUE(rollouts_.reload(wanted(i)));
  const auto back = rollouts_.rollback({.module = FakeNode::kModule, .by = "ops"});
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->version, "v3");
  EXPECT_THAT(labels(), Each("v3"));
  EXPECT_EQ(desired(), "v3");
  node(2).fails_to_commit = true;
  const auto partly = rollouts_.rollback({.module = FakeNode::kModule});
  ASSERT_TRUE(partly) << "one node that cannot does not keep the others";
  EXPECT_EQ(partly->version, "v2") << "not what was rolled back";
  EXPECT_THAT(partly->deployed_to, ElementsAre("node-1"));
  EXPECT_EQ(partly->failed.size(), 1);
  EXPECT_EQ(desired(), "v2");
  EXPECT_EQ(rollouts_.rollback({.module = FakeNode::kModule}).error().error.code, ErrorCode::kNoPreviousVersion)
      << "the last rollout is not the first one";
  const auto unknown = rollouts_.rollback({.module = FakeNode::kModule, .to_version = "v9"});
  EXPECT_EQ(unknown.error().error.code, ErrorCode::kUnknownVersion);
}

TEST_F(FleetWaves, RollBackNeverToTheSameVersion) {
  add_nodes(1);
  for (const int number : {2, 2}) ASSERT_TRUE(rollouts_.reload(wanted(number)));
  EXPECT_EQ(desired(), "v2");
  const auto back = rollouts_.rollback({.module = FakeNode::kModule});
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().error.code, ErrorCode::kNoPreviousVersion);
  EXPECT_EQ(desired(), "v2");
}

// v1 came from the nodes' own files: the fleet has never had its bytes.
TEST_F(FleetWaves, RollBackTheFirstVersionToWhatTheNodesHadBefore) {
  add_nodes(3);
  const auto done = rollouts_.reload(wanted());
  ASSERT_TRUE(done);
  node(3).silent_to_reverts = true;
  const auto back = rollouts_.rollback({.module = FakeNode::kModule, .by = "ops"});
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->version, "v1");
  EXPECT_THAT(back->deployed_to, ElementsAre("node-1", "node-2"));
  ASSERT_EQ(back->failed.size(), 1);
  EXPECT_EQ(back->failed[0].node, "node-3");
  EXPECT_THAT(labels(), ElementsAre("v1", "v1", "v2"));
  EXPECT_EQ(desired(), "");
  EXPECT_EQ(rollouts_.find(done->rollout)->state, fleet::RolloutState::kReverted);
  EXPECT_FALSE(rollouts_.rollback({.module = FakeNode::kModule}));
  const auto next = rollouts_.reload(wanted(3));
  ASSERT_TRUE(next) << next.error().error.message;
  EXPECT_EQ(next->version, "v3");
  EXPECT_GT(next->revision, done->revision);
}

TEST_F(FleetWaves, RollBackEndsARolloutThatIsUnderWay) {
  add_nodes(2);
  ASSERT_TRUE(rollouts_.reload(wanted(2)));
  FleetReload reload = canary();
  reload.file = "bytes 3";
  const std::string id = observed(reload);
  const auto back = rollouts_.rollback({.module = FakeNode::kModule});
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->version, "v2") << "that is the one before the one that is taken back";
  EXPECT_THAT(labels(), Each("v2"));
  EXPECT_EQ(rollouts_.find(id)->state, fleet::RolloutState::kAborted);
}

TEST_F(FleetWaves, SyncBringsBackWhoDrifts) {
  add_nodes(3);
  ASSERT_TRUE(rollouts_.reload(wanted()));
  node(1).serve({.label = "v7", .sha256 = std::string(64, '7'), .config_sha256 = {}});
  node(3).serve({.label = "v8", .sha256 = std::string(64, '8'), .config_sha256 = {}});
  node(3).fails_to_commit = true;
  ASSERT_TRUE(connection_->put(fleet::kNodesBucket, "node-9", to_json(fleet::NodeStatus{.node = "node-9"})));
  const auto synced = rollouts_.sync({});
  ASSERT_TRUE(synced) << synced.error().error.message;
  EXPECT_THAT(synced->synced, ElementsAre("node-1"));
  EXPECT_THAT(synced->already_current, ElementsAre("node-2"));
  ASSERT_EQ(synced->failed.size(), 1);
  EXPECT_EQ(synced->failed[0].node, "node-3");
  ASSERT_EQ(synced->unreachable.size(), 1);
  EXPECT_EQ(synced->unreachable[0].node, "node-9");
  EXPECT_THAT(labels(), ElementsAre("v2", "v2", "v8"));
  EXPECT_EQ(rollouts_.sync({.module = "other"}).error().error.code, ErrorCode::kUnknownModule);
}

}  // namespace
}  // namespace secbeat::orchestrator
