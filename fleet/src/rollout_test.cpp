#include "secbeat/fleet/rollout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace secbeat::fleet {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

Rollout rollout() {
  const VersionRef version{.label = "v2", .sha256 = std::string(64, 'a'), .size_bytes = 87040, .config_sha256 = {}};
  const Counts counts{.inspected = 1000, .blocked = 20, .rate_limited = 3, .errors = 1, .p99_ns = 41000};
  return {
      .order = {.rollout = "r-1", .module = "waf", .version = version, .revision = 8, .expected_version = {}},
      .kind = RolloutKind::kRollback,
      .from_version = "v1",
      .options = {.target = "region=eu",
                  .canary = {},
                  .waves = "1,25%,100%",
                  .max_unavailable = 2,
                  .observe_seconds = 30,
                  .observes_last = true},
      .state = RolloutState::kPaused,
      .resumes = RolloutState::kObserving,
      .asked = Asked::kPause,
      .wave = 1,
      .waves =
          {{.nodes = {{.node = "node-1", .state = NodeState::kCommitted, .downtime_ms = 1, .baseline = counts}},
            .begun_at = "2025-11-24T01:00:03Z",
            .ended_at = "2025-11-24T01:00:04Z"},
           {.nodes =
                {{.node = "node-2", .state = NodeState::kFailed, .error = "no", .code = "busy", .unchanged = true}}}},
      .left_out = {{.node = "node-3", .state = NodeState::kUnreachable}},
      .error = "halted",
      .code = "gate",
      .begun_at = "2025-11-24T01:00:02Z",
      .ended_at = "2025-11-24T01:00:09Z",
      .holder = "orchestrator-1",
      .beat = 17};
}

TEST(FleetRollout, ReadsWhatItWrites) {
  EXPECT_EQ(rollout_from_json(to_json(rollout())).value(), rollout());
  const Running running{.rollout = "r-1", .revision = 8, .given = {rollout().order.version}};
  EXPECT_EQ(running_from_json(to_json(running)).value(), running);
  Json before = Json::parse(to_json(running));  // as the version before writes it
  before.erase("given");
  EXPECT_EQ(running_from_json(before.dump()).value(), (Running{.rollout = "r-1", .revision = 8}));
}

TEST(FleetRollout, TellsWhatIsWrongAndWhere) {
  const auto error_with = [](const char* pointer, const Json& value) {
    Json json = Json::parse(to_json(rollout()));
    json[Json::json_pointer(pointer)] = value;
    const auto read = rollout_from_json(json.dump());
    return read ? std::string() : read.error().message;
  };
  EXPECT_THAT(error_with("/state", "flying"), HasSubstr("rollout.state: expected staging, committing"));
  EXPECT_THAT(error_with("/waves/1/nodes/0/state", 7), HasSubstr("rollout.waves[1].nodes[0].state: expected a text"));
  EXPECT_THAT(error_with("/wave", 3), HasSubstr("rollout.wave: there is no such wave"));
  EXPECT_THAT(error_with("/left_out/0/node", "a b"), HasSubstr("expected a name"));
  EXPECT_THAT(error_with("/options/max_unavailable", -1), HasSubstr("expected a whole number"));
}

TEST(FleetRollout, HoldsThousandsOfNodesThatAllFailWithLongTexts) {
  Rollout many = rollout();
  RolloutNode node = many.waves[0].nodes[0];
  node.error = std::string(5000, 'x');
  many.waves[0].nodes.assign(1500, node);
  EXPECT_TRUE(rollout_from_json(to_json(many)));
  many.waves[0].nodes.assign(kMaxListed, node);
  const auto shorter = rollout_from_json(to_json(many));
  ASSERT_TRUE(shorter) << shorter.error().message;
  EXPECT_EQ(shorter->waves[0].nodes.size(), kMaxListed);
  EXPECT_EQ(shorter->waves[0].nodes[0].state, NodeState::kCommitted);
}

}  // namespace
}  // namespace secbeat::fleet
