#include "secbeat/agent/event_log.hpp"

#include <gtest/gtest.h>

namespace secbeat::agent {
namespace {

control::Event event(std::int64_t unix_ms, std::string kind, std::string uri, std::string message = "m",
                     std::uint64_t version_id = 1, std::string module = "waf") {
  return {unix_ms,    "GET",           std::move(uri), "192.0.2.1",       std::move(module),
          version_id, std::move(kind), "rule",         std::move(message)};
}

SystemTime at(std::int64_t unix_ms) { return SystemTime(std::chrono::milliseconds(unix_ms)); }

TEST(EventLog, ShowsDecidedRequestsNewestFirst) {
  EventLog log;
  log.add(event(1, "block", "/a"));
  log.add(event(2, "log", "/b"));
  log.add(event(3, "block", "/c"));
  const auto all = log.requests(std::nullopt, 10);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].uri, "/c");
  EXPECT_EQ(all[2].uri, "/a");
  EXPECT_EQ(all[0].rule, "rule");
  const auto blocked = log.requests("block", 10);
  ASSERT_EQ(blocked.size(), 2U);
  EXPECT_EQ(blocked[1].uri, "/a");
  EXPECT_EQ(log.requests(std::nullopt, 2).size(), 2U);
  EXPECT_TRUE(log.errors(std::nullopt, std::nullopt, at(0), 10).empty());
}

TEST(EventLog, OrdersByTimeWhatWorkersSendInBatches) {
  EventLog log;
  for (const std::int64_t time : {1, 4, 5, 2, 3, 6}) log.add(event(time, "block", std::to_string(time)));
  const auto all = log.requests(std::nullopt, 4);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].uri + all[1].uri + all[2].uri + all[3].uri, "6543");
}

TEST(EventLog, PagesThroughRequestsWithoutGapsOrRepetitions) {
  EventLog log;
  for (const std::int64_t time : {1, 4, 5, 2, 3, 6}) {
    log.add(event(time, time == 2 ? "log" : "block", std::to_string(time)));
  }
  std::string seen;
  std::optional<std::int64_t> before;
  for (auto page = log.requests("block", 2); !page.empty(); page = log.requests("block", 2, before)) {
    for (const RequestRow& row : page) seen += row.uri;
    before = page.back().id;
    log.add(event(7, "block", "newer rows do not disturb it"));
  }
  EXPECT_EQ(seen, "65431");
  EXPECT_TRUE(log.requests(std::nullopt, 10, 4711).empty()) << "a row that has left";
}

TEST(EventLog, CountsWhatHappenedWithinTheWindow) {
  EventLog log;
  const auto seconds = [](std::int64_t s) { return s * 1000; };
  for (int i = 0; i < 5; ++i) log.add(event(seconds(1000 + i), "trap", "/"));
  for (int i = 0; i < 3; ++i) log.add(event(seconds(1100 + i), "trap", "/"));
  const auto in_window = [&](std::int64_t since) {
    return log.errors(std::nullopt, std::nullopt, at(seconds(since)), 1).front().in_window;
  };
  EXPECT_EQ(in_window(0), 8U);
  EXPECT_EQ(in_window(1050), 3U);
  EXPECT_EQ(in_window(1102), 3U) << "to the length of a bucket";
  EXPECT_EQ(log.errors(std::nullopt, std::nullopt, at(seconds(1050)), 1).front().count, 8U);
  // Many buckets later the oldest ones have become one, and nothing is lost.
  for (int i = 0; i < 200; ++i) log.add(event(seconds(2000 + i * 10), "trap", "/"));
  EXPECT_EQ(in_window(0), 208U);
  EXPECT_EQ(in_window(3900), 10U);
}

TEST(EventLog, ForgetsTheOldestRequestAboveItsBound) {
  EventLog log;
  for (std::size_t i = 0; i <= EventLog::kMaxRequests; ++i) {
    log.add(event(static_cast<std::int64_t>(i), "block", std::to_string(i)));
  }
  const auto all = log.requests(std::nullopt, 5000);
  ASSERT_EQ(all.size(), EventLog::kMaxRequests);
  EXPECT_EQ(all.back().uri, "1");
}

TEST(EventLog, CountsEqualErrorsInOneRowWithTheNewestSample) {
  EventLog log;
  log.add(event(10, "trap", "/a"));
  log.add(event(30, "trap", "/newest"));
  log.add(event(20, "trap", "/late arrival"));
  log.add(event(15, "trap", "/", "another message"));
  log.add(event(15, "deadline", "/"));
  log.add(event(15, "trap", "/", "m", 2));
  const auto rows = log.errors(std::nullopt, std::nullopt, at(0), 10);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].count, 3U);
  EXPECT_EQ(rows[0].first_seen, at(10));
  EXPECT_EQ(rows[0].last_seen, at(30));
  EXPECT_EQ(rows[0].uri, "/newest");
  EXPECT_TRUE(log.requests(std::nullopt, 10).empty());
}

TEST(EventLog, SelectsErrorsByModuleVersionAndTime) {
  EventLog log;
  log.add(event(10, "trap", "/", "m", 1, "a"));
  log.add(event(20, "trap", "/", "m", 2, "a"));
  log.add(event(30, "trap", "/", "m", 3, "b"));
  EXPECT_EQ(log.errors("a", std::nullopt, at(0), 10).size(), 2U);
  EXPECT_EQ(log.errors("a", 2, at(0), 10).size(), 1U);
  EXPECT_EQ(log.errors("c", std::nullopt, at(0), 10).size(), 0U);
  EXPECT_EQ(log.errors(std::nullopt, std::nullopt, at(20), 10).size(), 2U);
  EXPECT_EQ(log.errors(std::nullopt, std::nullopt, at(0), 1).front().version_id, 3U);
}

TEST(EventLog, LetsTheErrorNotSeenForLongestGiveWay) {
  EventLog log;
  for (std::size_t i = 0; i < EventLog::kMaxErrors; ++i) {
    log.add(event(static_cast<std::int64_t>(100 + i), "trap", "/", std::to_string(i)));
  }
  log.add(event(1000, "trap", "/", "0"));  // seen again: "1" is the oldest now
  log.add(event(1001, "trap", "/", "new"));
  const auto rows = log.errors(std::nullopt, std::nullopt, at(0), 1000);
  ASSERT_EQ(rows.size(), EventLog::kMaxErrors);
  EXPECT_EQ(rows[0].message, "new");
  EXPECT_EQ(rows[1].message, "0");
  for (const ErrorRow& row : rows) EXPECT_NE(row.message, "1");
}

}  // namespace
}  // namespace secbeat::agent
