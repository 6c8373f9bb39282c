#include "secbeat/agent/event_log.hpp"

#include <algorithm>

namespace secbeat::agent {
namespace {

bool is_verdict(const std::string& kind) { return kind == "block" || kind == "log" || kind == "rate_limit"; }

SystemTime time_of(const control::Event& event) { return SystemTime(std::chrono::milliseconds(event.unix_ms)); }

void take_sample(ErrorRow& row, const control::Event& event) {
  row.method = event.method;
  row.uri = event.uri;
  row.source_ip = event.source_ip;
}

}  // namespace

void EventLog::add(const control::Event& event) {
  const std::scoped_lock lock(mutex_);
  if (is_verdict(event.kind)) {
    requests_.push_front({time_of(event), event.method, event.uri, event.source_ip, event.kind, event.module,
                          event.version_id, event.rule, event.message});
    if (requests_.size() > kMaxRequests) requests_.pop_back();
    return;
  }
  const auto same = std::ranges::find_if(errors_, [&](const ErrorRow& row) {
    return row.version_id == event.version_id && row.module == event.module && row.kind == event.kind &&
           row.message == event.message;
  });
  if (same != errors_.end()) {
    ++same->count;
    // Events of several workers come in any order.
    same->first_seen = std::min(same->first_seen, time_of(event));
    if (time_of(event) >= same->last_seen) {
      same->last_seen = time_of(event);
      take_sample(*same, event);
    }
    return;
  }
  ErrorRow row{
      event.module, event.version_id, event.kind, event.message, 1, time_of(event), time_of(event), {}, {}, {}};
  take_sample(row, event);
  if (errors_.size() < kMaxErrors) {
    errors_.push_back(std::move(row));
  } else {
    *std::ranges::min_element(errors_, {}, &ErrorRow::last_seen) = std::move(row);
  }
}

std::vector<RequestRow> EventLog::requests(const std::optional<std::string>& verdict, std::size_t limit) const {
  const std::scoped_lock lock(mutex_);
  std::vector<RequestRow> rows;
  std::ranges::copy_if(requests_, std::back_inserter(rows),
                       [&](const RequestRow& row) { return !verdict || row.verdict == *verdict; });
  // Each worker sends its events in batches, so they do not arrive in the order in which they happened.
  std::ranges::stable_sort(rows, std::greater<>(), &RequestRow::time);
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

std::vector<ErrorRow> EventLog::errors(const std::optional<std::string>& module,
                                       const std::optional<std::uint64_t>& version_id, SystemTime since,
                                       std::size_t limit) const {
  std::vector<ErrorRow> rows;
  {
    const std::scoped_lock lock(mutex_);
    std::ranges::copy_if(errors_, std::back_inserter(rows), [&](const ErrorRow& row) {
      return row.last_seen >= since && (!module || row.module == *module) &&
             (!version_id || row.version_id == *version_id);
    });
  }
  std::ranges::stable_sort(rows, std::greater<>(), &ErrorRow::last_seen);
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

}  // namespace secbeat::agent
