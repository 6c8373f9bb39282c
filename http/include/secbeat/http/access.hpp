// Who calls, and whether they may: keys, roles, and the limit on calls with a wrong key.
//
// A key is known by its SHA-256 alone. Keys are random and long (secbeat key new: 256 bits), so the hash needs neither
// salt nor stretching, and nobody guesses one: the limit on wrong keys is there for the load and for the log, and a
// right key passes whatever others did from the same address.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/http/message.hpp"

namespace secbeat::http {

// How many calls without a right key an address has free; the generic cell rate algorithm in a table of fixed size. Of
// an IPv6 address, its /64 counts: that is what one machine has.
class WrongKeys {
 public:
  static constexpr std::uint32_t kBurst = 20;
  static constexpr std::chrono::seconds kInterval{3};  // until one more is free
  static constexpr std::size_t kWays = 8;              // places that an address can have
  static constexpr std::size_t kEntries = 4096;        // 64 KiB

  struct Decision {
    bool allowed = true;
    bool first_refused = false;             // since the last that was allowed
    std::uint32_t retry_after_seconds = 0;  // where not allowed
  };

  WrongKeys();
  Decision count(const std::string& address, SteadyTime now);

 private:
  // Where all places of an address are taken, the one whose calls are all free again soonest gives way.
  struct Entry {
    std::uint64_t key = 0;  // 0: free
    SteadyTime full_at;     // when all calls are free again
    bool refused = false;
  };
  Entry& entry_of(std::uint64_t key);

  const std::uint64_t seed_;
  std::mutex mutex_;
  std::vector<Entry> entries_;  // guarded by mutex_
};

struct Admission {
  Caller caller;                        // nameless where no right key was given
  std::optional<HttpResponse> refusal;  // 401, 403, 429 with Retry-After; none: the call may go on
};

class Access {
 public:
  // `server` is what messages call the one that is called: "node".
  Access(std::string_view server, std::vector<ApiKey> keys);

  // From now on these. Keys never give way to none: whoever reaches the API could do everything. kConfig then.
  Result<void> replace(std::vector<ApiKey> keys);

  // Who calls, and whether they may use `route` (null: a path that there is not). `authorization` is the header,
  // `address` the peer's.
  Admission admit(const Route* route, std::optional<std::string_view> authorization, const std::string& address,
                  SteadyTime now);

  // 403 where the node has no keys and `host` (the header; empty: none came) is a name other than localhost. A name's
  // owner may let it lead to this machine (DNS rebinding), and to a browser his page is then of the same site as the
  // API; no page can do so with an address.
  std::optional<HttpResponse> refuse_name(std::optional<std::string_view> host);

  // Calls refused since the start, for want of a right key, and for the role or the name that they came to.
  struct Refused {
    std::uint64_t unauthorized = 0;
    std::uint64_t limited = 0;
    std::uint64_t forbidden = 0;
  };
  [[nodiscard]] Refused refused() const;

 private:
  using Keys = std::vector<ApiKey>;
  [[nodiscard]] std::shared_ptr<const Keys> keys() const;
  HttpResponse refuse_key(std::string message, const std::string& address, SteadyTime now);

  const std::string_view server_;
  WrongKeys wrong_keys_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Keys> keys_;  // guarded by mutex_; what it points to is constant
  Refused refused_;                   // guarded by mutex_
};

// 403 where the caller's role does not reach; `what` begins the sentence.
OrRefusal<void> require_role(const Caller& caller, Role role, std::string_view what);

}  // namespace secbeat::http
