// What is made of nodes' reports, by a clock of the test.
#include "observation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::orchestrator {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr const char* kModule = "waf";

class FleetObservation : public ::testing::Test {
 protected:
  void SetUp() override {
    rollout_.order = {.rollout = "r-1",
                      .module = kModule,
                      .version = {.label = "v2", .sha256 = std::string(64, '2')},
                      .revision = 2,
                      .expected_version = {}};
    rollout_.options.observe_seconds = 60;
    fleet::Wave wave;
    for (const char* name : {"node-1", "node-2"}) wave.nodes.push_back({name, fleet::NodeState::kCommitted});
    rollout_.waves = {wave};
  }
  // After so long, the reports of so many nodes.
  std::optional<std::string> look(std::chrono::milliseconds later, int nodes = 2) {
    now_ += later;
    std::vector<Known<fleet::NodeStatus>> reports;
    for (int i = 1; i <= nodes; ++i) {
      fleet::NodeStatus status{.node = "node-" + std::to_string(i), .ready = true};
      status.modules = {{.name = kModule, .version = rollout_.order.version, .reached = 2}};
      reports.push_back({std::move(status), ++revision_});
    }
    return observation_.look(reports, now_, now_);
  }

  fleet::Rollout rollout_;
  Settings settings_;
  Observation::Time now_ = std::chrono::steady_clock::now();
  std::uint64_t revision_ = 0;
  Observation observation_{rollout_, settings_, now_};
};

TEST_F(FleetObservation, IsOverWhenItHasLooked) {
  for (int i = 0; i < 59; ++i) EXPECT_FALSE(look(1s));
  EXPECT_FALSE(observation_.is_over());
  EXPECT_FALSE(look(1s));
  EXPECT_TRUE(observation_.is_over());
}

// NATS was away for longer than reports last: nobody has seen anything, and no node is to blame.
TEST_F(FleetObservation, DoesNotCountTimeInWhichNobodyCouldLook) {
  EXPECT_FALSE(look(1s));
  EXPECT_FALSE(look(300s, 0)) << "their reports have run out meanwhile";
  EXPECT_FALSE(look(2s, 1));
  EXPECT_FALSE(look(2s));
  EXPECT_FALSE(observation_.is_over());
  for (int i = 0; i < 54; ++i) EXPECT_FALSE(look(1s));
  EXPECT_FALSE(observation_.is_over());
  EXPECT_FALSE(look(1s));
  EXPECT_TRUE(observation_.is_over());
}

TEST_F(FleetObservation, TellsWhoReportsNoMore) {
  EXPECT_FALSE(look(1s));
  for (std::chrono::milliseconds silent{0}; silent < settings_.timeouts.reach; silent += 1s) EXPECT_FALSE(look(1s, 1));
  const auto hurts = look(1s, 1);
  ASSERT_TRUE(hurts);
  EXPECT_THAT(*hurts, HasSubstr("node-2 does not report any more"));
}

TEST_F(FleetObservation, IsNotOverWhileANodeIsMissed) {
  for (int i = 0; i < 59; ++i) EXPECT_FALSE(look(1s));
  EXPECT_FALSE(look(1s, 1));
  EXPECT_FALSE(observation_.is_over());
  EXPECT_FALSE(look(1s));
  EXPECT_TRUE(observation_.is_over());
}

}  // namespace
}  // namespace secbeat::orchestrator
