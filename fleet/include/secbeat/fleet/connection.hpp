// A connection to NATS, and what the fleet keeps in its JetStream: buckets of keys and values, and objects.
//
// The connection is made in the background and for ever tried again, also the first time; what is called while there is
// none fails at once (kNotReady). A JetStream whose leader has died stalls for some seconds: calls wait and try again
// through that, kStall at most, and say so in the log.
//
// Thread safety: every method may be called from any thread; destruction when none is under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::fleet {

inline constexpr std::chrono::milliseconds kStall{10000};

struct ConnectionOptions {
  std::string url;                         // "nats://[user:password@]host:port", several with commas between them
  std::string name;                        // what the server shows
  std::filesystem::path credentials = {};  // a user's JWT and seed in one file; empty: none
  std::string nkey = {};                   // public key; empty: none
  std::filesystem::path nkey_seed = {};    // file with the seed of `nkey`
  std::filesystem::path tls_ca = {};       // empty: the system's, where the url is tls://
  std::filesystem::path tls_certificate = {};
  std::filesystem::path tls_key = {};
};

struct BucketOptions {
  std::string_view name;
  std::chrono::seconds expiry{0};  // of each value; 0: none
  int replicas = 1;
};

struct Entry {
  std::string key;
  std::string value;
  std::uint64_t revision = 0;
};

// Ends with its destruction, after which its handler is not called any more.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// Of one of Calls; kNotFound: nobody listens there.
struct CallAnswer {
  std::uint64_t tag = 0;
  Result<std::string> data;
};

// Calls of which many are under way at once, and none waits for another.
class Calls {
 public:
  virtual ~Calls() = default;
  // The answer comes with the same tag. Who is silent is never told of: the caller knows how long it waits.
  virtual Result<void> send(std::string_view subject, std::string_view data, std::uint64_t tag) = 0;
  // The answers that have come, the oldest first; waits for one where there is none.
  virtual std::vector<CallAnswer> take(std::chrono::milliseconds wait) = 0;
};

class Connection {
 public:
  // Answers a call that waits at an inbox; an empty text: no answer. On a thread of the library, which others wait for.
  using Handler = std::function<std::string(std::string_view data)>;
  // `reply` is the sender's text, for answer(); empty: nobody waits for one.
  using LateHandler = std::function<void(std::string_view data, std::string reply)>;

  // kConfig: the options cannot be used, whatever the server says. kNotReady: a server refuses them at this moment.
  static Result<std::unique_ptr<Connection>> start(const ConnectionOptions& options);
  virtual ~Connection() = default;

  [[nodiscard]] virtual bool connected() const = 0;
  // A server has refused it twice (a password was changed, say): only another one can come through.
  [[nodiscard]] virtual bool has_ended() const = 0;

  virtual Result<void> publish(std::string_view subject, std::string_view data) = 0;
  // Of a call that came by subscribe_group(); the server is not waited for. kForbidden: `reply` is no inbox.
  virtual Result<void> answer(std::string_view reply, std::string_view data) = 0;
  // kNotFound: nobody listens there. kNotReady: no answer in time.
  virtual Result<std::string> request(std::string_view subject, std::string_view data,
                                      std::chrono::milliseconds timeout) = 0;
  virtual Result<std::unique_ptr<Calls>> calls() = 0;
  virtual Result<std::unique_ptr<Subscription>> subscribe(std::string_view subject, Handler handler) = 0;
  // Each message comes to one of those that listen as the same group.
  virtual Result<std::unique_ptr<Subscription>> subscribe_group(std::string_view subject, std::string_view group,
                                                                LateHandler handler) = 0;

  // Makes the bucket where it is not there; one that is there stays as it is.
  virtual Result<void> make_bucket(const BucketOptions& options) = 0;
  // Nothing: no such key, or no such bucket.
  virtual Result<std::optional<Entry>> get(std::string_view bucket, std::string_view key) = 0;
  // Of every key; none where there is no such bucket.
  virtual Result<std::vector<Entry>> list(std::string_view bucket) = 0;
  // The new revision. `revision`: only if this is the one in force (0: only if the key is not there), else
  // kPreconditionFailed.
  virtual Result<std::uint64_t> put(std::string_view bucket, std::string_view key, std::string_view value) = 0;
  virtual Result<std::uint64_t> put_if(std::string_view bucket, std::string_view key, std::string_view value,
                                       std::uint64_t revision) = 0;
  virtual Result<void> remove(std::string_view bucket, std::string_view key) = 0;

  // Objects lie as the `nats` command reads them (docs/fleet_protocol.md). An object is there once all of it is.
  virtual Result<void> make_object_bucket(const BucketOptions& options) = 0;
  // Where the same bytes are there under this name, only their age begins anew.
  virtual Result<void> put_object(std::string_view bucket, std::string_view name, std::string_view bytes) = 0;
  // kNotFound; kTooLarge above `limit`; kProtocol where it is not whole or its checksum is another one.
  virtual Result<std::string> get_object(std::string_view bucket, std::string_view name, std::size_t limit) = 0;
  // Those that were put before `time`, by the server's clock, and that are not wanted; how many there were.
  virtual Result<std::size_t> remove_objects(std::string_view bucket, SystemTime time,
                                             const std::function<bool(std::string_view name)>& is_wanted) = 0;
};

}  // namespace secbeat::fleet
