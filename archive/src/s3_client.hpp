// Signed requests to a server of S3, by libcurl: the only file that sees it.
//
// Thread safety: send() by one thread at a time, cancel() by any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3_credentials.hpp"
#include "secbeat/archive/storage.hpp"

namespace secbeat::archive {

enum class Method : std::uint8_t { kGet, kHead, kPut };

struct S3Request {
  Method method = Method::kGet;
  std::string key = {};  // in the bucket; empty: the bucket itself
  // By name, as the signature wants it.
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string_view body = {};
  std::size_t limit = 0;  // of the answer's body; kTooLarge above it
};

struct S3Reply {
  long status = 0;
  std::string body;
  std::uint64_t size_bytes = 0;  // that the answer says its body has
  std::string sha256;            // that was told when it was put; empty: none was
};

class S3Client {
 public:
  S3Client(Location location, const Patience& patience);
  ~S3Client();
  S3Client(const S3Client&) = delete;
  S3Client& operator=(const S3Client&) = delete;

  // The answer, of whatever status; tried again where a server is away or in trouble. kIo: there is none, and why;
  // kConfig: no credentials; kCancelled.
  Result<S3Reply> send(const S3Request& request);
  void cancel();

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  class Handle;
  void prepare(Handle& handle, const S3Request& request, const Credentials& credentials) const;
  Result<S3Reply> attempt(const S3Request& request, bool& may_help);
  [[nodiscard]] std::string url_of(const S3Request& request) const;

  const Location location_;
  const Patience patience_;
  const std::string endpoint_;
  const std::string region_;
  std::unique_ptr<Handle> handle_;  // keeps the connection
  std::stop_source ending_;
  std::mutex mutex_;
  std::condition_variable_any woken_;  // by the end
};

}  // namespace secbeat::archive
