// Ways back beside the plain ones, and who waits for them.
#include <thread>

#include "cut_connection.hpp"
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

using FleetWaysBack = FleetTest;

constexpr const char* kWaf = FakeNode::kModule;

// It was out of reach, and has come to the version by what is desired.
TEST_F(FleetWaysBack, OfTheFirstVersionReachWhoWasLeftOut) {
  add_nodes(3);
  node(2).silent = node(3).silent = true;
  ASSERT_TRUE(rollouts_.reload(wanted()));
  node(2).silent = false;
  const auto back = rollouts_.rollback({.module = kWaf, .by = "ops"});
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_THAT(back->deployed_to, ElementsAre("node-1", "node-2"));
  ASSERT_EQ(back->failed.size(), 1);
  EXPECT_EQ(back->failed[0].node, "node-3");
  EXPECT_EQ(back->failed[0].code, "unreachable");
}

TEST_F(FleetWaysBack, LeadForwardAgainByLabel) {
  add_nodes(2);
  for (int i = 2; i <= 4; ++i) ASSERT_TRUE(rollouts_.reload(wanted(i)));
  ASSERT_TRUE(rollouts_.rollback({.module = kWaf, .to_version = "v2"}));
  const auto forward = rollouts_.rollback({.module = kWaf, .to_version = "v4"});
  ASSERT_TRUE(forward) << forward.error().error.message;
  EXPECT_THAT(labels(), Each("v4"));
  const auto back = rollouts_.rollback({.module = kWaf});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->version, "v2") << "the one before";
}

TEST_F(FleetWaysBack, EndNoRolloutForASlipOfTheFinger) {
  add_nodes(2);
  ASSERT_TRUE(rollouts_.reload(wanted(2)));
  node(1).works_for = 1'000'000;
  const auto id = rollouts_.begin(wanted(3));
  ASSERT_TRUE(id);
  EXPECT_EQ(rollouts_.rollback({.module = kWaf, .to_version = "v99"}).error().error.code, ErrorCode::kUnknownVersion);
  EXPECT_EQ(rollouts_.rollback({.module = kWaf, .target = "nobody"}).error().error.code, ErrorCode::kNoNodes);
  EXPECT_EQ(rollouts_.find(*id)->asked, fleet::Asked::kNothing);
}

// Whoever waits is let go when the orchestrator ends, and nothing pauses a rollback.
TEST_F(FleetWaysBack, GoOnWithoutWhoWaits) {
  add_nodes(2);
  for (int i = 2; i <= 3; ++i) ASSERT_TRUE(rollouts_.reload(wanted(i)));
  node(1).works_for = 1'000'000;
  std::expected<FleetResult, FleetFailure> answer;
  {
    const std::jthread call([&] { answer = rollouts_.rollback({.module = kWaf}); });
    ASSERT_TRUE(fleet::eventually([&] { return node(2).serving().label == "v2"; }));
    const std::string id = rollouts_.list()->front().order.rollout;
    EXPECT_EQ(rollouts_.pause(id).error().code, ErrorCode::kRolloutEnded);
    rollouts_.let_go();
  }
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().in, FailedIn::kUnknown);
  EXPECT_TRUE(rollouts_.works_on(answer.error().rollout));
  node(1).works_for = 0;
  EXPECT_TRUE(comes_to(answer.error().rollout, fleet::RolloutState::kDone, 1));
  EXPECT_THAT(labels(), Each("v2"));
}

TEST_F(FleetWaysBack, AreNamedWhereNobodyCanSayWhetherTheyHaveBegun) {
  add_nodes(1);
  for (const CutAt at : {CutAt::kBeforeWrite, CutAt::kAfterWrite}) {
    CutConnection cut(*connection_, 1, at);  // the document is written, and then the claim is lost
    Rollouts first(cut, settings());
    const auto id = first.begin(wanted());
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().in, FailedIn::kUnknown);
    EXPECT_TRUE(rollouts_.find(id.error().rollout));
  }
}

TEST_F(FleetWaysBack, LeaveNoDocumentsThatNobodyClaimed) {
  add_nodes(1);
  ASSERT_TRUE(rollouts_.reload(wanted()));
  fleet::Rollout lost = rollouts_.list()->front();
  lost.order.rollout = "r-lost";
  lost.state = fleet::RolloutState::kStaging;
  lost.wave = 0;
  ASSERT_TRUE(connection_->put(fleet::kRolloutsBucket, "r-lost", to_json(lost)));
  int number = 2;
  EXPECT_TRUE(fleet::eventually([&] {
    EXPECT_TRUE(rollouts_.reload(wanted(++number)));
    return !rollouts_.find("r-lost");
  }));
}

TEST_F(FleetWaysBack, GiveNoLabelTwice) {
  add_nodes(1);
  const auto embedded = [](int number, const char* version) {
    FleetReload reload = wanted(number);
    reload.embedded_version = version;
    return reload;
  };
  ASSERT_TRUE(rollouts_.reload(embedded(2, "1.0.0")));
  ASSERT_TRUE(rollouts_.reload(embedded(3, "1.1.0")));
  ASSERT_TRUE(rollouts_.rollback({.module = kWaf}));
  EXPECT_EQ(rollouts_.reload(embedded(4, "1.1.0"))->version, "1.1.0+2") << "nodes have had other bytes by it";
  node(1).fails_to_commit = true;
  EXPECT_FALSE(rollouts_.reload(embedded(5, "1.2.0")));
  node(1).fails_to_commit = false;
  EXPECT_EQ(rollouts_.reload(embedded(6, "1.2.0"))->version, "1.2.0+2");
}

TEST_F(FleetWaysBack, KeepWhoVouchesForAVersion) {
  add_nodes(1);
  FleetReload reload = wanted(2);
  reload.signature = "signed";
  ASSERT_TRUE(rollouts_.reload(reload));
  FleetReload configured = wanted(2);
  configured.config = R"({"other":1})";
  ASSERT_TRUE(rollouts_.reload(configured));
  EXPECT_EQ(rollouts_.desired()->modules[0].version.signature, "signed") << "the bytes are the same";
  ASSERT_TRUE(rollouts_.reload(wanted(3)));
  EXPECT_EQ(rollouts_.desired()->modules[0].version.signature, "");
  ASSERT_TRUE(rollouts_.rollback({.module = kWaf}));
  EXPECT_EQ(rollouts_.desired()->modules[0].version.signature, "signed");
}

}  // namespace
}  // namespace secbeat::orchestrator
