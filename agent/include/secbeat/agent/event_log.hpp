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

  void add(const control::Event& event);
  [[nodiscard]] std::vector<RequestRow> requests(const std::optional<std::string>& verdict, std::size_t limit) const;
  // Errors last seen at or after `since`, newest first.
  [[nodiscard]] std::vector<ErrorRow> errors(const std::optional<std::string>& module,
                                             const std::optional<std::uint64_t>& version_id, SystemTime since,
                                             std::size_t limit) const;

 private:
  mutable std::mutex mutex_;
  std::deque<RequestRow> requests_;  // guarded by mutex_, newest first
  std::vector<ErrorRow> errors_;     // guarded by mutex_
};

}  // namespace secbeat::agent
