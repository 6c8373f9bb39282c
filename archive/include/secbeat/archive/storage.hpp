// Bytes under keys, in a folder or in a bucket of S3. A key is words with '/' between them, such as
// "modules/<sha256>.wasm"; what is put appears whole or not at all.
//
// Thread safety: one thread at a time; cancel() from any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/location.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::archive {

struct StoredFile {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::string modified = {};  // RFC 3339, in UTC; empty: not told

  bool operator==(const StoredFile&) const = default;
};

inline constexpr std::size_t kMaxListedFiles = 500000;
using KeyFilter = std::function<bool(std::string_view key)>;

// No message of an error holds a secret.
class Storage {
 public:
  virtual ~Storage() = default;
  // For people: the folder, or "s3://bucket/prefix".
  [[nodiscard]] virtual const std::string& place() const = 0;
  // kIo, kForbidden: it cannot be read at all, and why.
  [[nodiscard]] virtual Result<void> check() = 0;
  // kNotFound: there is none; kTooLarge above `limit`.
  [[nodiscard]] virtual Result<std::string> get(const std::string& key, std::size_t limit) = 0;
  // Whether content of this hash and size is there already, as far as can be told without a transfer over the network.
  [[nodiscard]] virtual bool holds(const std::string& key, std::string_view sha256, std::size_t size) = 0;
  // Never kNotFound.
  [[nodiscard]] virtual Result<void> put(const std::string& key, std::string_view bytes) = 0;
  // What is wanted of everything below "folder/", by key. None where there is nothing; kTooLarge above kMaxListedFiles
  // of them, whatever else lies there.
  [[nodiscard]] virtual Result<std::vector<StoredFile>> list_where(const std::string& folder,
                                                                   const KeyFilter& is_wanted) = 0;
  [[nodiscard]] Result<std::vector<StoredFile>> list(const std::string& folder) {
    return list_where(folder, [](std::string_view) { return true; });
  }
  // Ends what waits for the network, now and for ever (kCancelled).
  virtual void cancel() {}
};

// How long a server of S3 is waited for.
struct Patience {
  std::chrono::milliseconds connect{10000};
  std::chrono::seconds silent{30};       // less than 1 kB/s for so long: given up
  std::chrono::seconds whole{600};       // of one request
  int attempts = 3;                      // of each request, where another one may help
  std::chrono::milliseconds pause{250};  // before the second attempt; doubled for the next
};

// REQUIRES: !location.is_nowhere(). Touches neither folder nor network.
std::unique_ptr<Storage> open_storage(const Location& location, const Patience& patience = {});

}  // namespace secbeat::archive
