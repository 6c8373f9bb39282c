#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "nats_server.hpp"
#include "secbeat/fleet/connection.hpp"

namespace secbeat::fleet {
namespace {

using namespace std::chrono_literals;

TEST(FleetCalls, HearsAllWhoAnswerWhileOthersAreSilent) {
  const NatsServer server;
  const auto connection = server.connect();
  const auto other = server.connect();
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < 200; ++i) {
    auto subscription = other->subscribe("test." + std::to_string(i), [i](std::string_view data) {
      return i % 2 == 0 ? std::string(data) + std::to_string(i) : std::string();
    });
    ASSERT_TRUE(subscription);
    subscriptions.push_back(*std::move(subscription));
  }
  ASSERT_TRUE(eventually([&] { return connection->request("test.198", "", 5s).has_value(); }));
  auto calls = connection->calls().value();
  for (std::uint64_t i = 0; i < 200; ++i) ASSERT_TRUE(calls->send("test." + std::to_string(i), "n", i));
  ASSERT_TRUE(calls->send("nobody", "n", 1000));
  std::map<std::uint64_t, std::string> heard;
  bool nobody = false;
  ASSERT_TRUE(eventually([&] {
    for (CallAnswer& answer : calls->take(10ms)) {
      if (answer.data) {
        heard[answer.tag] = *answer.data;
      } else {
        nobody = answer.tag == 1000 && answer.data.error().code == ErrorCode::kNotFound;
      }
    }
    return heard.size() == 100 && nobody;
  }));
  for (const auto& [tag, data] : heard) EXPECT_EQ(data, "n" + std::to_string(tag));
}

TEST(FleetCalls, RefusesWhileThereIsNoServer) {
  NatsServer server;
  const auto connection = server.connect();
  auto calls = connection->calls().value();
  server.kill();
  EXPECT_TRUE(eventually([&] { return !calls->send("test", "n", 1).has_value(); }));
}

}  // namespace
}  // namespace secbeat::fleet
