// A fleet of stand-ins on one real nats-server for all tests of a program.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fake_node.hpp"
#include "nats_server.hpp"
#include "secbeat/fleet/names.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

class FleetTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::milliseconds kReach{600};

  static void SetUpTestSuite() {
    if (server_ == nullptr) server_ = std::make_unique<fleet::NatsServer>();
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_TRUE(Rollouts(*connection_, {}).prepare(1));
    for (const std::string_view bucket : {fleet::kDesiredBucket, fleet::kNodesBucket, fleet::kRolloutsBucket}) {
      const std::vector<fleet::Entry> entries = connection_->list(bucket).value();
      for (const fleet::Entry& entry : entries) {
        ASSERT_TRUE(connection_->remove(bucket, entry.key));
      }
    }
  }

  static Settings settings() {
    using std::chrono::milliseconds;
    return {.timeouts = {.reach = kReach,
                         .work = milliseconds(20000),
                         .ask = milliseconds(8),
                         .answer = milliseconds(100),
                         .look = milliseconds(10),
                         .beat = milliseconds(40),
                         .lease = milliseconds(400)},
            .name = "test"};
  }

  void add_nodes(int number) {
    for (int i = 0; i < number; ++i) {
      nodes_.push_back(std::make_unique<FakeNode>(connection_, "node-" + std::to_string(nodes_.size() + 1)));
    }
    ASSERT_TRUE(fleet::eventually([&] { return rollouts_.nodes().value().size() == nodes_.size(); }));
  }
  FakeNode& node(std::size_t number) { return *nodes_.at(number - 1); }
  [[nodiscard]] std::vector<std::string> labels() const {
    std::vector<std::string> labels;
    for (const auto& one : nodes_) labels.push_back(one->serving().label);
    return labels;
  }
  [[nodiscard]] std::string desired() const {
    const auto now = rollouts_.desired().value();
    const fleet::DesiredModule* module = now.find(FakeNode::kModule);
    return module == nullptr ? "" : module->version.label;
  }
  // The bytes differ with the number.
  static FleetReload wanted(int number = 2) {
    return {.module = FakeNode::kModule,
            .file = "bytes " + std::to_string(number),
            .config = "{}",
            .embedded_version = {},
            .expected_version = {},
            .reason = "test",
            .by = "test"};
  }
  [[nodiscard]] bool comes_to(std::string_view id, fleet::RolloutState state, std::uint64_t wave = 0) const {
    return fleet::eventually([&] {
      const auto now = rollouts_.find(id);
      return now && now->state == state && now->wave == wave;
    });
  }

  inline static std::unique_ptr<fleet::NatsServer> server_;
  std::shared_ptr<fleet::Connection> connection_{server_->connect()};
  std::vector<std::unique_ptr<FakeNode>> nodes_;
  Rollouts rollouts_{*connection_, settings()};
};

}  // namespace secbeat::orchestrator
