#include "secbeat/orchestrator/fleet_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "ended_rules.hpp"
#include "rollouts_fixture.hpp"

namespace secbeat::orchestrator {
namespace {

using agent::RuleJson;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class FakeClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override { return begin_ + std::chrono::seconds(seconds_); }
  [[nodiscard]] SteadyTime steady() const override { return RealClock().steady(); }
  void advance(int seconds) { seconds_ += seconds; }

 private:
  const SystemTime begin_{std::chrono::seconds(1'790'000'000)};
  std::atomic<int> seconds_{0};
};

RuleJson rule(std::string_view id, const RuleJson& more = RuleJson::object()) {
  RuleJson json{{"id", id}, {"field", "URI"}, {"pattern", "/x*"}, {"action", "Block"}};
  json.update(more);
  return json;
}
FleetRuleEdit adding(std::string_view id, const RuleJson& more = RuleJson::object()) {
  return {.rule = rule(id, more),
          .ttl_seconds = {},
          .if_match = {},
          .by = "test",
          .received = std::chrono::steady_clock::now()};
}
FleetRuleEdit of_kind(FleetRuleEdit::Kind kind, std::string_view id) {
  return {.kind = kind,
          .id = std::string(id),
          .ttl_seconds = {},
          .if_match = {},
          .by = "test",
          .received = std::chrono::steady_clock::now()};
}
ErrorCode code_of_failure(const FleetRuleOutcome& outcome) {
  return outcome ? ErrorCode::kInternal : outcome.error().failure.error.code;
}

class FleetRulesTest : public FleetTest {
 protected:
  void SetUp() override {
    FleetTest::SetUp();
    sink_ = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
    spdlog::default_logger()->sinks().push_back(sink_);
    ASSERT_TRUE(make()->prepare(1));
    for (const auto key : {fleet::kEnteredKey, fleet::kEndedKey}) {
      ASSERT_TRUE(connection_->remove(fleet::kRulesBucket, key));
    }
  }
  void TearDown() override { spdlog::default_logger()->sinks().pop_back(); }

  [[nodiscard]] std::unique_ptr<FleetRules> make(const RuleLimits& limits = {}) {
    return std::make_unique<FleetRules>(
        FleetRules::Parts{.connection = *connection_,
                          .rollouts = rollouts_,
                          .clock = clock_,
                          .limits = limits,
                          .shipped = std::filesystem::path(SECBEAT_GUESTS_DIR) / "universal-waf.wasm"});
  }
  [[nodiscard]] std::unique_ptr<FleetRules> started(const RuleLimits& limits = {}) {
    auto rules = make(limits);
    rules->start();
    return rules;
  }
  [[nodiscard]] std::vector<std::string> lines(std::string_view with) const {
    std::vector<std::string> found;
    for (const std::string& line : sink_->last_formatted()) {
      if (line.find(with) != line.npos) found.push_back(line);
    }
    return found;
  }
  [[nodiscard]] std::size_t place(std::string_view text) const {
    const auto all = sink_->last_formatted();
    const auto found = std::ranges::find_if(all, [&](const std::string& line) { return line.find(text) != line.npos; });
    return static_cast<std::size_t>(found - all.begin());
  }
  [[nodiscard]] static std::vector<std::string> ids_of(const FleetRules& rules) {
    std::vector<std::string> ids;
    const auto now = rules.in_force().value();
    for (const RuleJson& one : now.document.rules()) ids.push_back(agent::id_of_rule(one));
    return ids;
  }

  FakeClock clock_;
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> sink_;
};

TEST_F(FleetRulesTest, ARuleIsInForceOnEveryNodeAndTheLogHasTheFourLinesInOrder) {
  add_nodes(2);
  const auto rules = started();
  const auto done = rules->change(adding("block_sqli_v2"));
  ASSERT_TRUE(done) << done.error().failure.error.message;
  EXPECT_THAT(done->result->deployed_to, ElementsAre("node-1", "node-2"));
  EXPECT_THAT(ids_of(*rules), ElementsAre("block_sqli_v2"));
  const std::size_t places[] = {place("New dynamic rule: block_sqli_v2"),
                                place("Updated waf-config.json with new rule"), place("NATS: secbeat.wasm.reload"),
                                place("node-1: Reloaded universal-waf (0ms downtime)")};
  EXPECT_TRUE(std::ranges::is_sorted(places));
  EXPECT_LT(places[3], sink_->last_formatted().size());
  const auto again = rules->change(adding("block_sqli_v2"));
  EXPECT_EQ(code_of_failure(again), ErrorCode::kRuleExists);
}

TEST_F(FleetRulesTest, WhatTheModuleRefusesSwapsNowhereAndIsSaidAsTheModuleSaysIt) {
  add_nodes(1);
  const auto rules = started();
  const auto done = rules->change(adding("r1", {{"field", "Url"}}));
  ASSERT_EQ(code_of_failure(done), ErrorCode::kConfigureFailed);
  EXPECT_THAT(done.error().failure.error.message, HasSubstr("r1"));
  EXPECT_EQ(node(1).staged, 0);
  EXPECT_THAT(lines("New dynamic rule"), SizeIs(0));
}

TEST_F(FleetRulesTest, EditsThatComeTogetherAreOneRolloutAndOneFaultIsNobodyElses) {
  add_nodes(1);
  const auto rules = make();
  std::mutex mutex;
  std::vector<FleetRuleOutcome> outcomes;
  rules->start();
  // The first one is on its way while the others come.
  node(1).works_for = 30;
  for (const char* id : {"a", "b", "c", "d"}) {
    auto edit = std::string_view(id) == "c" ? adding(id, {{"pattern", ""}}) : adding(id);
    ASSERT_TRUE(rules->submit(std::move(edit), [&](const FleetRuleOutcome& outcome) {
      const std::scoped_lock lock(mutex);
      outcomes.push_back(outcome);
    }));
    if (std::string_view(id) == "a") {
      ASSERT_TRUE(fleet::eventually([&] { return rollouts_.list().value().size() == 1; }));
    }
  }
  ASSERT_TRUE(fleet::eventually([&] {
    const std::scoped_lock lock(mutex);
    return outcomes.size() == 4;
  }));
  EXPECT_THAT(ids_of(*rules), ElementsAre("a", "b", "d"));
  EXPECT_EQ(rollouts_.list().value().size(), 2U);
  EXPECT_EQ(std::ranges::count_if(outcomes, [](const auto& one) { return one && one->changes == 2; }), 2);
}

// A wave that hurt would hurt once more for each of them.
TEST_F(FleetRulesTest, WhatWasTakenBackIsNotMadeAgainOneByOne) {
  add_nodes(1);
  const auto rules = started();
  node(1).works_for = 30;
  node(1).fails_to_commit = true;
  std::mutex mutex;
  std::vector<FleetRuleOutcome> outcomes;
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(rules->submit(adding(id), [&](const FleetRuleOutcome& outcome) {
      const std::scoped_lock lock(mutex);
      outcomes.push_back(outcome);
    }));
    if (*id == 'a') {
      ASSERT_TRUE(fleet::eventually([&] { return rollouts_.list().value().size() == 1; }));
    }
  }
  ASSERT_TRUE(fleet::eventually([&] {
    const std::scoped_lock lock(mutex);
    return outcomes.size() == 3;
  }));
  EXPECT_EQ(rollouts_.list().value().size(), 2U);
  for (const FleetRuleOutcome& outcome : outcomes) EXPECT_FALSE(outcome.has_value());
  EXPECT_EQ(outcomes[1].error().failure.rollout, outcomes[2].error().failure.rollout);
}

TEST_F(FleetRulesTest, WhatWaitsAndCannotBeReadHoldsUpNoRuleInForce) {
  add_nodes(1);
  const auto rules = started();
  ASSERT_TRUE(connection_->put(fleet::kRulesBucket, fleet::kEnteredKey, "{"));
  ASSERT_TRUE(rules->change(adding("a")));
  EXPECT_THAT(ids_of(*rules), ElementsAre("a"));
  auto entering = adding("later");
  entering.kind = FleetRuleEdit::Kind::kEnter;
  const auto refused = rules->change(entering);
  EXPECT_EQ(code_of_failure(refused), ErrorCode::kProtocol);
  EXPECT_THAT(refused.error().failure.error.message, HasSubstr("nats kv del secbeat_rules entered"));
  EXPECT_EQ(code_of_failure(rules->change(of_kind(FleetRuleEdit::Kind::kDeploy, "later"))), ErrorCode::kProtocol);
  EXPECT_EQ(code_of_failure(rules->change(of_kind(FleetRuleEdit::Kind::kRemove, "later"))), ErrorCode::kProtocol);
  EXPECT_TRUE(rules->change(of_kind(FleetRuleEdit::Kind::kRemove, "a")));
}

TEST_F(FleetRulesTest, MessagesBeyondTheLimitAreRefusedAtOnceAndLeaveTheApiItsPlaces) {
  add_nodes(1);
  node(1).works_for = 1'000'000;
  const auto holds_up = [&](FleetRules& rules) {
    const int before = node(1).calls;
    EXPECT_TRUE(rules.submit(adding("a"), [](const FleetRuleOutcome&) {}));
    EXPECT_TRUE(fleet::eventually([&] { return node(1).calls > before; }));
  };
  const auto message = [](std::string_view id) {
    auto edit = adding(id);
    edit.is_message = true;
    return edit;
  };
  auto rules = started({.max_new_per_minute = 1});
  holds_up(*rules);
  auto code = ErrorCode::kInternal;
  EXPECT_TRUE(rules->submit(message("b"), [&](const FleetRuleOutcome& outcome) { code = code_of_failure(outcome); }));
  EXPECT_EQ(code, ErrorCode::kRateLimited);
  EXPECT_TRUE(rules->submit(adding("c"), [](const FleetRuleOutcome&) { throw std::runtime_error("nobody cares"); }));
  rules->stop();

  ASSERT_TRUE(rollouts_.abort(rollouts_.list()->front().order.rollout));
  rules = started({.max_new_per_minute = 0});
  holds_up(*rules);
  int taken = 0;
  while (taken < 1000 && rules->submit(message("m"), [](const FleetRuleOutcome&) {})) ++taken;
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 1000);
  EXPECT_TRUE(rules->submit(adding("c"), [](const FleetRuleOutcome&) {}));
  rules->stop();
}

TEST_F(FleetRulesTest, ARuleThatWaitsIsDeployedLaterWithTheLifeThatIsSaidThen) {
  add_nodes(1);
  const auto rules = started();
  auto entering = adding("later", {{"ttl_seconds", 5U}});
  entering.kind = FleetRuleEdit::Kind::kEnter;
  const auto entered = rules->change(entering);
  ASSERT_TRUE(entered);
  EXPECT_FALSE(entered->result);
  EXPECT_EQ(node(1).staged, 0);
  EXPECT_NE(rules->in_force().value().entered.find("later"), nullptr);
  EXPECT_EQ(code_of_failure(rules->change(entering)), ErrorCode::kRuleExists);
  EXPECT_EQ(code_of_failure(rules->change(adding("later"))), ErrorCode::kRuleExists);
  auto deploying = of_kind(FleetRuleEdit::Kind::kDeploy, "later");
  deploying.ttl_seconds = 60;
  const auto deployed = rules->change(deploying);
  ASSERT_TRUE(deployed) << deployed.error().failure.error.message;
  EXPECT_EQ(*deployed->expires_at, rfc3339(clock_.now() + std::chrono::seconds(60)));
  EXPECT_TRUE(rules->in_force().value().entered.rules.empty());
  EXPECT_THAT(lines("New dynamic rule: later"), SizeIs(1));
  EXPECT_EQ(code_of_failure(rules->change(deploying)), ErrorCode::kRuleExists);
  EXPECT_EQ(code_of_failure(rules->change(of_kind(FleetRuleEdit::Kind::kDeploy, "other"))), ErrorCode::kUnknownRule);
}

TEST_F(FleetRulesTest, SoManyRulesMayBeInForceAndThoseThatHaveEndedDoNotCount) {
  add_nodes(1);
  const auto rules = started({.max_active = 2});
  ASSERT_TRUE(rules->change(adding("a", {{"ttl_seconds", 10U}})));
  ASSERT_TRUE(rules->change(adding("b")));
  EXPECT_EQ(code_of_failure(rules->change(adding("c"))), ErrorCode::kTooManyRules);
  clock_.advance(10);
  const auto done = rules->change(adding("c"));
  ASSERT_TRUE(done) << done.error().failure.error.message;
  EXPECT_THAT(done->dropped, ElementsAre("a"));
  EXPECT_THAT(ids_of(*rules), ElementsAre("b", "c"));
  EXPECT_TRUE(fleet::eventually([&] { return lines("Rule expired: a after 10 s").size() == 1; }));
}

TEST_F(FleetRulesTest, SoManyNewRulesMayComeInAMinute) {
  add_nodes(1);
  const auto rules = started({.max_new_per_minute = 1});
  ASSERT_TRUE(rules->change(adding("a")));
  const auto second = rules->change(adding("b"));
  ASSERT_EQ(code_of_failure(second), ErrorCode::kRateLimited);
  EXPECT_GT(second.error().retry_after_seconds, 0U);
  EXPECT_TRUE(rules->change(of_kind(FleetRuleEdit::Kind::kRemove, "a")));
}

TEST_F(FleetRulesTest, TwoOrchestratorsLoseNoRuleAndTellAnEndOnce) {
  add_nodes(1);
  const auto one = started();
  const auto other = started();
  std::jthread adds([&] {
    for (const char* id : {"a1", "a2", "a3"}) EXPECT_TRUE(one->change(adding(id, {{"ttl_seconds", 10U}})));
  });
  for (const char* id : {"b1", "b2", "b3"}) EXPECT_TRUE(other->change(adding(id)));
  adds.join();
  auto ids = ids_of(*one);
  std::ranges::sort(ids);
  EXPECT_THAT(ids, ElementsAre("a1", "a2", "a3", "b1", "b2", "b3"));
  clock_.advance(10);
  EXPECT_THAT(ids_of(*one), SizeIs(3));
  ASSERT_TRUE(fleet::eventually([&] { return lines("Rule expired: a").size() == 3; }));
  // A third one that looks for the first time has nothing to say.
  EndedRules third(*connection_, [] { return Result<CountedRules>({}); });
  const auto desired = rollouts_.desired().value();
  const auto text =
      connection_->get_object(fleet::kModulesBucket, desired.find(agent::kRulesModule)->version.config_sha256, 1 << 20);
  third.look("x", agent::RuleDocument::read(text.value()).value(), clock_.now());
  EXPECT_THAT(lines("Rule expired: a"), SizeIs(3));
}

TEST_F(FleetRulesTest, NodesWithRulesOfTheirOwnAreNotOverrun) {
  add_nodes(1);
  fleet::NodeStatus status{.node = "node-9", .ready = true};
  status.modules.push_back({.name = std::string(agent::kRulesModule),
                            .version = {.label = "v1",
                                        .sha256 = std::string(64, '1'),
                                        .config_sha256 = std::string(64, '2'),
                                        .config_size_bytes = 9}});
  ASSERT_TRUE(connection_->put(fleet::kNodesBucket, "node-9", to_json(status)));
  const auto rules = started();
  const auto done = rules->change(adding("a"));
  ASSERT_EQ(code_of_failure(done), ErrorCode::kVersionConflict);
  EXPECT_THAT(done.error().failure.error.message, HasSubstr("node-9 serves universal-waf with rules of its own"));
}

// Under its hash there may lie anything: the next edit would make it a version of the fleet.
TEST_F(FleetRulesTest, OtherBytesUnderTheHashThatIsDesiredAreNotGoneOnWith) {
  add_nodes(1);
  ASSERT_TRUE(started()->change(adding("a")));
  const auto version = rollouts_.desired().value().find(agent::kRulesModule)->version;
  const auto read = [&](const std::string& sha256) {
    return connection_->get_object(fleet::kModulesBucket, sha256, std::size_t{64} << 20U).value();
  };
  for (const std::string& sha256 : {version.config_sha256, version.sha256}) {
    const std::string bytes = read(sha256);
    ASSERT_TRUE(connection_->put_object(fleet::kModulesBucket, sha256, "{}"));
    EXPECT_EQ(code_of_failure(started()->change(adding("b"))), ErrorCode::kProtocol);
    ASSERT_TRUE(connection_->put_object(fleet::kModulesBucket, sha256, bytes));
  }
  EXPECT_TRUE(started()->change(adding("b")));
}

TEST_F(FleetRulesTest, IfMatchHoldsOrRefuses) {
  add_nodes(1);
  const auto rules = started();
  const auto added = rules->change(adding("a"));
  ASSERT_TRUE(added);
  auto removing = of_kind(FleetRuleEdit::Kind::kRemove, "a");
  removing.if_match = "\"other\"";
  EXPECT_EQ(code_of_failure(rules->change(removing)), ErrorCode::kPreconditionFailed);
  removing.if_match = added->etag;
  EXPECT_TRUE(rules->change(removing));
  EXPECT_EQ(code_of_failure(rules->change(removing)), ErrorCode::kUnknownRule);
  auto adds = adding("b");
  adds.if_match = rules->in_force().value().etag;
  EXPECT_TRUE(rules->change(adds));
  adds = adding("c");
  adds.if_match = "\"other\"";
  EXPECT_EQ(code_of_failure(rules->change(adds)), ErrorCode::kPreconditionFailed);
}

TEST_F(FleetRulesTest, WhoWaitsIsToldThatItEnds) {
  add_nodes(1);
  node(1).works_for = 1'000'000;
  auto rules = started();
  std::atomic<int> told{0};
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(rules->submit(adding(id), [&](const FleetRuleOutcome& outcome) {
      if (code_of_failure(outcome) == ErrorCode::kShuttingDown) ++told;
    }));
    if (*id == 'a') {
      ASSERT_TRUE(fleet::eventually([&] { return node(1).calls > 0; }));
    }
  }
  rules->stop();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(code_of_failure(rules->change(adding("c"))), ErrorCode::kShuttingDown);
}

}  // namespace
}  // namespace secbeat::orchestrator
