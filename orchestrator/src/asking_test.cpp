// How nodes are asked, by a clock of the test.
#include "asking.hpp"

#include "cut_connection.hpp"
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using namespace std::chrono_literals;

using FleetAsking = FleetTest;

// Goes on whenever somebody looks at it, until it is stopped.
class TickingClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override { return {}; }
  [[nodiscard]] SteadyTime steady() const override {
    if (runs) time_ += kTick;
    return time_;
  }
  bool runs = true;

 private:
  static constexpr std::chrono::milliseconds kTick{100};
  mutable SteadyTime time_;
};

TEST_F(FleetAsking, BlamesNobodyForSilenceWhileNatsIsAway) {
  add_nodes(1);
  node(1).works_for = 0;  // the clock stands still once NATS is back: it would never be asked again
  CutConnection connection(*connection_, 0, CutAt::kBeforeWrite);
  connection.cut();
  TickingClock clock;
  const SteadyTime begun = clock.steady();
  int asked = 0;
  const auto goes_on = [&] {
    if (++asked == 20) {
      EXPECT_GT(clock.steady() - begun, 2 * kReach);
      clock.runs = false;
      connection.mend();
    }
    return true;
  };
  const fleet::Order order{.rollout = "r-1",
                           .module = FakeNode::kModule,
                           .version = {.label = "v2", .sha256 = std::string(64, '2')},
                           .expected_version = {}};
  const Heard heard =
      ask_all(connection, settings().timeouts, order, &fleet::stage_subject, {"node-1"}, goes_on, clock);
  EXPECT_TRUE(heard.is_whole);
  EXPECT_TRUE(heard.unreachable.empty());
  EXPECT_EQ(heard.done.size(), 1U);
}

TEST_F(FleetAsking, GivesUpWhoIsSilent) {
  add_nodes(1);
  node(1).silent = true;
  const TickingClock clock;
  const fleet::Order order{.rollout = "r-1",
                           .module = FakeNode::kModule,
                           .version = {.label = "v2", .sha256 = std::string(64, '2')},
                           .expected_version = {}};
  const Heard heard =
      ask_all(*connection_, settings().timeouts, order, &fleet::stage_subject, {"node-1"}, [] { return true; }, clock);
  EXPECT_EQ(heard.unreachable.size(), 1U);
}

}  // namespace
}  // namespace secbeat::orchestrator
