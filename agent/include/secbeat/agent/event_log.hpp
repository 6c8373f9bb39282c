// What workers report about single requests: the newest decided ones, and errors of modules, both bounded.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/control/protocol.hpp"

namespace secbeat::agent {

struct RequestRow {
  std::int64_t id = 0;  // in the order in which rows came; from 1
  SystemTime time;
  std::string method;
  std::string uri;
  std::string source_ip;
  std::string verdict;  // "block", "log", "rate_limit"
  std::string module;
  std::uint64_t version_id = 0;
  std::string rule;
  std::string message;
};

struct ErrorRow {
  std::string module;
  std::uint64_t version_id = 0;
  std::string kind;
  std::string message;
  std::uint64_t count = 0;
  std::uint64_t in_window = 0;  // of these, those at or after the `since` that was asked for
  SystemTime first_seen;
  SystemTime last_seen;
  std::string method;  // of the newest sample; bodies and header values are never kept
  std::string uri;
  std::string source_ip;
};

class EventLog {
 public:
  static constexpr std::size_t kMaxRequests = 1000;
  static constexpr std::size_t kMaxErrors = 256;  // distinct ones; the one not seen for longest gives way
  static constexpr std::chrono::seconds kBucketLength{10};
  static constexpr std::size_t kBuckets = 64;

  void add(const control::Event& event);
  // Newest first; with `before`, those that come after the row with this id in that order. None where it has left: what
  // was older has left as well.
  [[nodiscard]] std::vector<RequestRow> requests(const std::optional<std::string>& verdict, std::size_t limit,
                                                 std::optional<std::int64_t> before = std::nullopt) const;
  // Errors last seen at or after `since`, newest first. What happened within the last kBuckets × kBucketLength is told
  // from what was before by the start of its bucket; older occurrences of one error are one bucket.
  [[nodiscard]] std::vector<ErrorRow> errors(const std::optional<std::string>& module,
                                             const std::optional<std::uint64_t>& version_id, SystemTime since,
                                             std::size_t limit) const;

 private:
  struct Bucket {
    SystemTime last;  // the newest occurrence in it
    std::uint64_t count = 0;
  };
  struct Error {
    ErrorRow row;
    std::map<std::int64_t, Bucket> buckets;  // by number since the epoch; the first may hold older ones as well
  };
  static void count(Error& error, SystemTime time);
  void add_request(const control::Event& event);

  mutable std::mutex mutex_;
  std::deque<RequestRow> requests_;  // guarded by mutex_, those that came last first
  std::int64_t next_id_ = 1;         // guarded by mutex_
  std::vector<Error> errors_;        // guarded by mutex_
};

}  // namespace secbeat::agent
