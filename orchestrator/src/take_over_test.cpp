// An orchestrator that ends at any write, and another one that goes on.
#include <thread>

#include "cut_connection.hpp"
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

constexpr int kMostWrites = 40;  // more than any rollout here takes

class FleetTakeOver : public FleetTest {
 protected:
  // One orchestrator ends after so many writes, another one goes on. False: the first one came to its end.
  bool end_after(int writes, CutAt at, const FleetReload& reload) {
    CutConnection cut(*connection_, writes, at);
    Settings slow = settings();
    slow.timeouts.beat = 60s;  // every write is a state's
    Rollouts first(cut, slow);
    const auto id = first.begin(reload);
    if (id) (void)first.wait(*id, 0ms);
    EXPECT_TRUE(fleet::eventually([&] {
      const auto ended = id ? rollouts_.find(*id) : std::unexpected(Error{});
      return cut.is_cut() || (ended && has_ended(ended->state));
    }));
    return cut.is_cut();
  }
  // That is under way, or was the last one that began.
  [[nodiscard]] std::optional<fleet::Rollout> newest() const {
    const auto list = rollouts_.list();
    EXPECT_TRUE(list) << list.error().message;
    return !list || list->empty() ? std::nullopt : std::optional(list->front());
  }
  bool comes_to_an_end() {
    return fleet::eventually([&] {
      const auto now = newest();
      return !now || has_ended(now->state);
    });
  }
  static Settings quick() {
    Settings settings = FleetTest::settings();
    settings.timeouts.lease = 150ms;
    return settings;
  }
};

TEST_F(FleetTakeOver, BringsTheVersionEverywhereWhereverTheFirstOneEnds) {
  add_nodes(3);
  Rollouts second(*connection_, quick());
  second.take_over();
  FleetReload reload = wanted();
  reload.options.waves = "1,100%";
  bool was_cut = true;
  int taken_over = 0;
  for (int writes = 0; was_cut; ++writes) {
    ASSERT_LT(writes, kMostWrites);
    for (const CutAt at : {CutAt::kBeforeWrite, CutAt::kAfterWrite}) {
      reload.file = "bytes " + std::to_string(writes) + (at == CutAt::kBeforeWrite ? "a" : "b");
      const std::uint64_t revision = rollouts_.desired()->revision;
      was_cut = end_after(writes, at, reload);
      ASSERT_TRUE(comes_to_an_end()) << writes;
      const auto now = rollouts_.desired().value();
      if (now.revision == revision) {
        EXPECT_LT(writes, 3) << "nothing was begun";
        continue;
      }
      ++taken_over;
      EXPECT_EQ(newest()->state, fleet::RolloutState::kDone) << newest()->error;
      EXPECT_THAT(labels(), Each(now.modules[0].version.label)) << writes;
      EXPECT_EQ(node(1).committed, taken_over) << "each once";
      EXPECT_EQ(node(3).committed, taken_over);
    }
  }
  EXPECT_GE(taken_over, 10);
}

TEST_F(FleetTakeOver, TakesEverythingBackWhereverTheFirstOneEnds) {
  add_nodes(3);
  ASSERT_TRUE(rollouts_.reload(wanted()));
  node(3).fails_to_commit = true;
  Rollouts second(*connection_, quick());
  second.take_over();
  FleetReload reload = wanted();
  reload.options.waves = "2,100%";
  bool was_cut = true;
  for (int writes = 3; was_cut; ++writes) {
    ASSERT_LT(writes, kMostWrites);
    reload.file = "bytes " + std::to_string(writes);
    was_cut = end_after(writes, CutAt::kAfterWrite, reload);
    ASSERT_TRUE(comes_to_an_end()) << writes;
    EXPECT_EQ(newest()->state, fleet::RolloutState::kReverted) << writes;
    EXPECT_THAT(labels(), Each("v2")) << writes;
    EXPECT_EQ(desired(), "v2");
  }
}

TEST_F(FleetTakeOver, LeavesWhatSomebodyWorksOnAlone) {
  add_nodes(2);
  Settings short_lease = quick();
  short_lease.timeouts.lease = 1000ms;
  Rollouts second(*connection_, short_lease);
  second.take_over();
  ASSERT_TRUE(rollouts_.reload(wanted()));
  FleetReload reload = wanted(3);
  reload.options = {.canary = "1", .observe_seconds = 2};
  const auto id = rollouts_.begin(reload);
  ASSERT_TRUE(id);
  const std::string holder = rollouts_.find(*id)->holder;
  const auto other = second.begin(wanted(4));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().error.code, ErrorCode::kReloadInProgress);
  EXPECT_EQ(other.error().rollout, *id);
  const auto synced = second.sync({});
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().rollout, *id);
  const auto ended = second.wait(*id, 60s).value();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->holder, holder);
  EXPECT_EQ(ended->state, fleet::RolloutState::kDone);
}

// Stopped for longer than the lease, then running again: it finds that the rollout is another one's, and does nothing.
TEST_F(FleetTakeOver, GivesWayToWhoHasTakenOver) {
  add_nodes(2);
  node(2).works_for = 1'000'000;
  const auto id = rollouts_.begin(wanted());
  ASSERT_TRUE(id);
  ASSERT_TRUE(fleet::eventually([&] { return node(1).staged == 1; }));
  // As another orchestrator takes it.
  ASSERT_TRUE(fleet::eventually([&] {
    const auto entry = connection_->get(fleet::kRolloutsBucket, *id).value();
    fleet::Rollout rollout = fleet::rollout_from_json(entry->value).value();
    rollout.holder = "another";
    return connection_->put_if(fleet::kRolloutsBucket, *id, to_json(rollout), entry->revision).has_value();
  }));
  EXPECT_TRUE(fleet::eventually([&] { return !rollouts_.works_on(*id); })) << "it asks no more";
  EXPECT_EQ(rollouts_.find(*id)->holder, "another");
  rollouts_.take_over();
  node(2).works_for = 0;
  EXPECT_TRUE(fleet::eventually([&] { return rollouts_.find(*id)->holder != "another"; })) << "nobody works on it";
}

TEST_F(FleetTakeOver, GoesOnOnceNatsIsBack) {
  add_nodes(2);
  node(2).silent = true;
  const auto id = rollouts_.begin(wanted());
  ASSERT_TRUE(id);
  ASSERT_TRUE(fleet::eventually([&] { return node(1).staged == 1; }));
  server_->kill();
  ASSERT_TRUE(fleet::eventually([&] { return !connection_->connected(); }));
  EXPECT_FALSE(rollouts_.find(*id));
  node(2).silent = false;
  server_->start();

  const auto ended = rollouts_.wait(*id, 60s);
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ((*ended)->state, fleet::RolloutState::kDone) << (*ended)->error;
  EXPECT_THAT(labels(), Each("v2"));
}

TEST_F(FleetTakeOver, BeginsOnlyOneOfManyAtOnce) {
  add_nodes(2);
  std::vector<std::unique_ptr<Rollouts>> orchestrators;
  for (int i = 0; i < 4; ++i) orchestrators.push_back(std::make_unique<Rollouts>(*connection_, settings()));
  std::atomic<int> begun{0};
  std::atomic<int> refused{0};
  node(1).works_for = node(2).works_for = 1'000'000;
  {
    std::vector<std::jthread> threads;
    for (auto& one : orchestrators) {
      threads.emplace_back([&] {
        const auto id = one->begin(wanted());
        ++(id ? begun : refused);
        const ErrorCode code = id ? ErrorCode::kReloadInProgress : id.error().error.code;
        EXPECT_EQ(code, ErrorCode::kReloadInProgress);
      });
    }
  }
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(rollouts_.list()->size(), 1);
}

}  // namespace
}  // namespace secbeat::orchestrator
