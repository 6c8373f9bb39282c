#include "secbeat/orchestrator/unused_objects.hpp"

#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

class UnusedObjects : public FleetTest {
 protected:
  void SetUp() override {
    FleetTest::SetUp();
    add_nodes(1);
    for (const int number : {2, 3}) ASSERT_TRUE(rollouts_.reload(wanted(number)));
    ASSERT_TRUE(connection_->put_object(fleet::kModulesBucket, "unused", "bytes"));
  }
  // As if all that is there had been put long ago.
  Result<std::size_t> remove() {
    return remove_unused_objects(*connection_, RealClock().now() + std::chrono::hours(1));
  }
  bool has(std::string_view name) { return connection_->get_object(fleet::kModulesBucket, name, 1000).has_value(); }
};

TEST_F(UnusedObjects, GoAndWhatARollbackLeadsToStays) {
  ASSERT_TRUE(remove());
  EXPECT_FALSE(has("unused"));
  const auto module = rollouts_.desired()->modules.at(0);
  EXPECT_TRUE(has(module.version.sha256));
  EXPECT_TRUE(has(module.version.config_sha256));
  ASSERT_FALSE(module.before.empty());
  EXPECT_TRUE(has(module.before[0].sha256));
}

TEST_F(UnusedObjects, StayWhileTheyAreYoung) {
  EXPECT_EQ(remove_unused_objects(*connection_, RealClock().now() - kKeptUnused), 0U);
  EXPECT_TRUE(has("unused"));
}

TEST_F(UnusedObjects, StayWhereNothingIsDesiredOrSomethingCannotBeRead) {
  ASSERT_TRUE(connection_->put(fleet::kRolloutsBucket, "r-of-a-later-format", "{}"));
  EXPECT_FALSE(remove());
  ASSERT_TRUE(connection_->remove(fleet::kRolloutsBucket, "r-of-a-later-format"));
  ASSERT_TRUE(connection_->remove(fleet::kDesiredBucket, fleet::kDesiredKey));
  EXPECT_EQ(remove(), 0U);
  EXPECT_TRUE(has("unused"));
}

}  // namespace
}  // namespace secbeat::orchestrator
