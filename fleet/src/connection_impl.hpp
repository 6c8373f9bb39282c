// The connection behind the contract of connection.hpp.
//
//   connection.cpp  connecting, single calls, subscriptions
//   calls.cpp       many calls at once
//   buckets.cpp     keys and values
//   listing.cpp     all keys of a bucket
//   objects.cpp     objects
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "nats_handles.hpp"
#include "secbeat/fleet/connection.hpp"

namespace secbeat::fleet {

class NatsConnection final : public Connection {
 public:
  Result<void> begin(const ConnectionOptions& options);
  ~NatsConnection() override;
  // Of the library's callbacks.
  [[nodiscard]] bool is_closing() const { return is_closing_; }
  void note_closed();

  [[nodiscard]] bool connected() const override;
  [[nodiscard]] bool has_ended() const override;
  Result<void> publish(std::string_view subject, std::string_view data) override;
  Result<void> answer(std::string_view reply, std::string_view data) override;
  Result<std::string> request(std::string_view subject, std::string_view data,
                              std::chrono::milliseconds timeout) override;
  Result<std::unique_ptr<Calls>> calls() override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string_view subject, Handler handler) override;
  Result<std::unique_ptr<Subscription>> subscribe_group(std::string_view subject, std::string_view group,
                                                        LateHandler handler) override;
  Result<void> make_bucket(const BucketOptions& options) override;
  Result<std::optional<Entry>> get(std::string_view bucket, std::string_view key) override;
  Result<std::vector<Entry>> list(std::string_view bucket) override;
  Result<std::uint64_t> put(std::string_view bucket, std::string_view key, std::string_view value) override;
  Result<std::uint64_t> put_if(std::string_view bucket, std::string_view key, std::string_view value,
                               std::uint64_t revision) override;
  Result<void> remove(std::string_view bucket, std::string_view key) override;
  Result<void> make_object_bucket(const BucketOptions& options) override;
  Result<void> put_object(std::string_view bucket, std::string_view name, std::string_view bytes) override;
  Result<std::string> get_object(std::string_view bucket, std::string_view name, std::size_t limit) override;
  Result<std::size_t> remove_objects(std::string_view bucket, SystemTime time,
                                     const std::function<bool(std::string_view name)>& is_wanted) override;

 private:
  using Call = std::function<natsStatus()>;

  [[nodiscard]] Result<void> ready() const;
  // Calls until it is no timeout and no missing responder, kStall at most; `what` begins the sentence of an error.
  natsStatus through_stall(std::string_view what, const Call& call);
  // Null with kOk: there is no such bucket.
  Result<BucketHandle> open(std::string_view bucket);
  // Also of keys that have been removed.
  Result<std::vector<std::string>> keys(std::string_view bucket);
  Result<std::uint64_t> write(std::string_view bucket, std::string_view key,
                              const std::function<natsStatus(kvStore*, std::uint64_t*)>& call);
  // The text of the object's metadata; nothing: there is no such object.
  Result<std::optional<std::string>> metadata(std::string_view bucket, std::string_view name);
  natsStatus next_message(MessageHandle& message, const std::string& stream, const std::string& subject,
                          std::uint64_t from);
  Result<std::string> chunks(std::string_view bucket, std::string_view nuid, std::uint64_t count, std::uint64_t size);
  // One that was replaced since `sequence` stays.
  Result<void> remove_object(std::string_view bucket, std::string_view name, std::string_view nuid,
                             std::uint64_t sequence);
  Result<void> purge(std::string_view bucket, const std::string& subject, std::uint64_t before);
  Result<void> publish_kept(const std::string& subject, std::string_view data, bool replaces);

  std::atomic<bool> is_closing_{false};
  std::mutex mutex_;
  std::condition_variable closed_;
  bool is_closed_ = false;  // guarded by mutex_

  // Constant after begin().
  std::string url_;  // without credentials, for messages
  JetStreamHandle jet_stream_;
  ConnectionHandle connection_;  // destroyed first
};

// "cannot WHAT: REASON" with the code that fits.
Error nats_error(std::string_view what, natsStatus status);

}  // namespace secbeat::fleet
