#include "secbeat/fleet/connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "nats_handles.hpp"
#include "nats_server.hpp"

namespace secbeat::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class FleetConnection : public ::testing::Test {
 protected:
  NatsServer server_;
  std::unique_ptr<Connection> connection_ = server_.connect();
};

TEST_F(FleetConnection, WritesOnlyOverTheRevisionThatItWasTold) {
  ASSERT_TRUE(connection_->make_bucket({.name = "b"}));
  ASSERT_TRUE(connection_->make_bucket({.name = "b"})) << "a bucket that is there stays";
  EXPECT_EQ(connection_->get("b", "k").value(), std::nullopt);
  const auto first = connection_->put_if("b", "k", "one", 0);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(connection_->put_if("b", "k", "two", 0).error().code, ErrorCode::kPreconditionFailed);
  const auto second = connection_->put_if("b", "k", "two", *first);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(connection_->put_if("b", "k", "three", *first).error().code, ErrorCode::kPreconditionFailed);
  const auto entry = connection_->get("b", "k").value();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->value, "two");
  EXPECT_EQ(entry->revision, *second);
}

TEST_F(FleetConnection, ListsWhatIsThereAndNotWhatWasRemoved) {
  ASSERT_TRUE(connection_->make_bucket({.name = "b"}));
  EXPECT_TRUE(connection_->list("b").value().empty());
  ASSERT_TRUE(connection_->put("b", "x", "1"));
  ASSERT_TRUE(connection_->put("b", "y", "2"));
  ASSERT_TRUE(connection_->put("b", "y", ""));
  ASSERT_TRUE(connection_->remove("b", "x"));
  const auto entries = connection_->list("b").value();
  ASSERT_EQ(entries.size(), 1);
  EXPECT_EQ(entries[0].key, "y");
  EXPECT_EQ(entries[0].value, "");
}

TEST_F(FleetConnection, ListsEveryKeyWhileTheyAreWritten) {
  ASSERT_TRUE(connection_->make_bucket({.name = "b"}));
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(connection_->put("b", "k" + std::to_string(i), "0"));
  const auto other = server_.connect();
  std::jthread writer([&](const std::stop_token& ending) {
    for (int i = 0; !ending.stop_requested(); ++i) {
      EXPECT_TRUE(other->put("b", "k" + std::to_string(i % 40), std::to_string(i)));
    }
  });
  for (int i = 0; i < 100; ++i) {
    const auto entries = connection_->list("b");
    ASSERT_TRUE(entries) << entries.error().message;
    ASSERT_EQ(entries->size(), 40);
  }
}

TEST_F(FleetConnection, FindsNothingInABucketThatIsNotThere) {
  EXPECT_EQ(connection_->get("gone", "k").value(), std::nullopt);
  EXPECT_TRUE(connection_->list("gone").value().empty());
  EXPECT_EQ(connection_->put("gone", "k", "v").error().code, ErrorCode::kNotFound);
}

TEST_F(FleetConnection, ForgetsValuesThatExpire) {
  ASSERT_TRUE(connection_->make_bucket({.name = "b", .expiry = 1s}));
  ASSERT_TRUE(connection_->put("b", "k", "v"));
  EXPECT_TRUE(eventually([&] { return !connection_->get("b", "k").value(); }));
}

TEST_F(FleetConnection, CallsWhoListens) {
  EXPECT_EQ(connection_->request("secbeat.test", "x", 5s).error().code, ErrorCode::kNotFound) << "nobody listens";
  const auto other = server_.connect();
  std::atomic<int> heard{0};
  auto subscription = other->subscribe("secbeat.test", [&](std::string_view data) {
    ++heard;
    return std::string(data) + "!";
  });
  ASSERT_TRUE(subscription);
  EXPECT_TRUE(eventually([&] { return connection_->request("secbeat.test", "hello", 5s) == "hello!"; }));
  ASSERT_TRUE(connection_->publish("secbeat.test", "x"));
  const int before = heard;
  subscription->reset();
  ASSERT_TRUE(connection_->publish("secbeat.test", "x"));
  EXPECT_LE(heard - before, 1);
}

// NATS holds a reply against nobody's rights: it would be written by those of who answers.
TEST_F(FleetConnection, AnswersNobodyButAnInbox) {
  const auto listener = server_.connect();
  std::mutex mutex;
  std::vector<std::string> answers;
  auto heard = listener->subscribe(">", [&](std::string_view data) {
    const std::scoped_lock lock(mutex);
    if (data.ends_with('!')) answers.emplace_back(data);
    return std::string();
  });
  ASSERT_TRUE(heard);
  std::atomic<int> asked{0};
  auto direct = connection_->subscribe("secbeat.test", [&](std::string_view data) {
    ++asked;
    return std::string(data) + "!";
  });
  auto late = connection_->subscribe_group("secbeat.test", "group", [&](std::string_view data, const std::string& to) {
    ++asked;
    (void)connection_->answer(to, std::string(data) + " late!");
  });
  natsConnection* raw = nullptr;
  ASSERT_EQ(natsConnection_ConnectTo(&raw, server_.url().c_str()), NATS_OK);
  const ConnectionHandle sender(raw);
  ASSERT_TRUE(eventually([&] { return connection_->request("secbeat.test", "", 5s).has_value(); }));
  const int before = asked;
  const char* const replies[] = {"$KV.secbeat_desired.desired",
                                 "secbeat.rules.new",
                                 "_INBOX",
                                 "_INBOX.>",
                                 "_INBOX.a.*",
                                 "_inbox.a",
                                 "x._INBOX.a",
                                 "_INBOX.here"};
  for (const char* reply : replies) {
    ASSERT_EQ(natsConnection_PublishRequest(raw, "secbeat.test", reply, reply, static_cast<int>(std::strlen(reply))),
              NATS_OK);
  }
  EXPECT_TRUE(eventually([&] { return asked - before == 2 * static_cast<int>(std::size(replies)); }));
  EXPECT_TRUE(eventually([&] {
    const std::scoped_lock lock(mutex);
    return std::ranges::count(answers, "_INBOX.here!") == 1 && std::ranges::count(answers, "_INBOX.here late!") == 1;
  }));
  const std::scoped_lock lock(mutex);
  for (const std::string& answer : answers) {
    EXPECT_TRUE(answer.starts_with("_INBOX.here") || answer.starts_with('!') || answer.starts_with(' ')) << answer;
  }
  EXPECT_EQ(connection_->answer("$KV.secbeat_desired.desired", "{}").error().code, ErrorCode::kForbidden);
  EXPECT_EQ(connection_->answer("_INBOX.a\r\nPUB x 0", "{}").error().code, ErrorCode::kForbidden);
  EXPECT_TRUE(connection_->answer("_INBOX.a", "{}"));
}

TEST_F(FleetConnection, ComesBackWithTheServerAndItsSubscriptions) {
  ASSERT_TRUE(connection_->make_bucket({.name = "b"}));
  ASSERT_TRUE(connection_->put("b", "k", "v"));
  auto subscription = connection_->subscribe("secbeat.test", [](std::string_view) { return "yes"; });
  server_.kill();
  EXPECT_TRUE(eventually([&] { return !connection_->connected(); }));
  const auto refused = connection_->get("b", "k");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotReady);
  server_.start();
  EXPECT_TRUE(eventually([&] { return connection_->connected(); }));
  EXPECT_EQ(connection_->get("b", "k").value()->value, "v");
  const auto other = server_.connect();
  EXPECT_TRUE(eventually([&] { return other->request("secbeat.test", "", 5s) == "yes"; }));
}

TEST_F(FleetConnection, StartsBeforeTheServerDoes) {
  server_.kill();
  auto early = Connection::start({.url = server_.url(), .name = "early"});
  ASSERT_TRUE(early) << early.error().message;
  EXPECT_FALSE((*early)->connected());
  server_.start();
  EXPECT_TRUE(eventually([&] { return (*early)->connected(); }));
}

TEST(FleetConnectionOptions, TellsNoPassword) {
  const auto bad = Connection::start({.url = "nats://me:secret@127.0.0.1:1", .name = "x", .tls_ca = "/nowhere/ca.pem"});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kConfig);
  EXPECT_THAT(bad.error().message, HasSubstr("nats://127.0.0.1:1"));
  EXPECT_THAT(bad.error().message, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace secbeat::fleet
