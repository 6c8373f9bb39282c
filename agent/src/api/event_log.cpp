#include "secbeat/agent/event_log.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace secbeat::agent {
namespace {

bool is_verdict(const std::string& kind) { return kind == "block" || kind == "log" || kind == "rate_limit"; }

SystemTime time_of(const control::Event& event) { return SystemTime(std::chrono::milliseconds(event.unix_ms)); }

void take_sample(ErrorRow& row, const control::Event& event) {
  row.method = event.method;
  row.uri = event.uri;
  row.source_ip = event.source_ip;
}

ErrorRow row_of(const control::Event& event) {
  ErrorRow row;
  row.module = event.module;
  row.version_id = event.version_id;
  row.kind = event.kind;
  row.message = event.message;
  row.first_seen = time_of(event);
  row.last_seen = time_of(event);
  take_sample(row, event);
  return row;
}

}  // namespace

void EventLog::add_request(const control::Event& event) {
  requests_.push_front({next_id_++, time_of(event), event.method, event.uri, event.source_ip, event.kind, event.module,
                        event.version_id, event.rule, event.message});
  if (requests_.size() > kMaxRequests) requests_.pop_back();
}

void EventLog::count(Error& error, SystemTime time) {
  ++error.row.count;
  Bucket& bucket = error.buckets[std::chrono::floor<std::chrono::seconds>(time).time_since_epoch() / kBucketLength];
  ++bucket.count;
  bucket.last = std::max(bucket.last, time);
  if (error.buckets.size() <= kBuckets) return;
  const auto oldest = error.buckets.begin();
  std::next(oldest)->second.count += oldest->second.count;
  error.buckets.erase(oldest);
}

void EventLog::add(const control::Event& event) {
  const std::scoped_lock lock(mutex_);
  if (is_verdict(event.kind)) {
    add_request(event);
    return;
  }
  const auto same = std::ranges::find_if(errors_, [&](const Error& error) {
    return error.row.version_id == event.version_id && error.row.module == event.module &&
           error.row.kind == event.kind && error.row.message == event.message;
  });
  if (same != errors_.end()) {
    count(*same, time_of(event));
    // Events of several workers come in any order.
    same->row.first_seen = std::min(same->row.first_seen, time_of(event));
    if (time_of(event) >= same->row.last_seen) {
      same->row.last_seen = time_of(event);
      take_sample(same->row, event);
    }
    return;
  }
  Error error{row_of(event), {}};
  count(error, time_of(event));
  if (errors_.size() < kMaxErrors) {
    errors_.push_back(std::move(error));
  } else {
    const auto last_seen = [](const Error& each) { return each.row.last_seen; };
    *std::ranges::min_element(errors_, {}, last_seen) = std::move(error);
  }
}

std::vector<RequestRow> EventLog::requests(const std::optional<std::string>& verdict, std::size_t limit,
                                           std::optional<std::int64_t> before) const {
  std::vector<RequestRow> rows;
  {
    const std::scoped_lock lock(mutex_);
    rows.assign(requests_.begin(), requests_.end());
  }
  // Each worker sends its events in batches, so they do not arrive in the order in which they happened.
  std::ranges::sort(rows, std::greater<>(), [](const RequestRow& row) { return std::pair(row.time, row.id); });
  if (before) {
    const auto cursor = std::ranges::find(rows, *before, &RequestRow::id);
    rows.erase(rows.begin(), cursor == rows.end() ? cursor : std::next(cursor));
  }
  std::erase_if(rows, [&](const RequestRow& row) { return verdict && row.verdict != *verdict; });
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

std::vector<ErrorRow> EventLog::errors(const std::optional<std::string>& module,
                                       const std::optional<std::uint64_t>& version_id, SystemTime since,
                                       std::size_t limit) const {
  std::vector<ErrorRow> rows;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [row, buckets] : errors_) {
      if (row.last_seen < since || (module && row.module != *module) || (version_id && row.version_id != *version_id)) {
        continue;
      }
      rows.push_back(row);
      for (const auto& [number, bucket] : buckets) {
        if (bucket.last >= since) rows.back().in_window += bucket.count;
      }
    }
  }
  std::ranges::sort(rows, std::greater<>(), [](const ErrorRow& row) { return std::tie(row.last_seen, row.message); });
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

}  // namespace secbeat::agent
