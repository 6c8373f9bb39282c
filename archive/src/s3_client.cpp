#include "s3_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>
#include <random>

#include "s3_credentials.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::archive {
namespace {

constexpr long kSlow = 1000;  // bytes a second
constexpr std::string_view kUnreserved = "-._~";
constexpr int kJitterPercent = 50;
constexpr const char* kHashHeader = "x-amz-meta-sha256";  // kept by the server beside the object

// RFC 3986: all but letters, digits and - . _ ~ as %XX, as the signature wants it.
std::string escaped(std::string_view text, std::string_view also_plain) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       kUnreserved.find(c) != kUnreserved.npos || also_plain.find(c) != also_plain.npos;
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string region_of(const Location& location) {
  if (!location.region.empty()) return location.region;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::string region = environment(name); is_region(region)) return region;
  }
  return "us-east-1";
}

// Without the port that the scheme has anyway: it is no part of the host that is signed.
std::string endpoint_of(const Location& location) {
  std::string endpoint = location.endpoint;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (endpoint.empty()) endpoint = environment(name);
  }
  if (endpoint.empty()) endpoint = fmt::format("https://s3.{}.amazonaws.com", region_of(location));
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::string_view port = endpoint.starts_with("https://") ? ":443" : ":80";
  if (endpoint.ends_with(port)) endpoint.resize(endpoint.size() - port.size());
  return endpoint;
}

struct Body {
  std::string bytes;
  std::size_t limit = 0;
  bool is_too_large = false;
};

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) noexcept {
  auto& body = *static_cast<Body*>(target);
  const std::size_t more = size * count;
  if (body.bytes.size() + more > body.limit) {
    body.is_too_large = true;
    return 0;
  }
  try {
    body.bytes.append(data, more);
  } catch (const std::exception&) {
    return 0;
  }
  return more;
}

int goes_on(void* stop, curl_off_t /*down*/, curl_off_t /*down_now*/, curl_off_t /*up*/, curl_off_t /*up_now*/) {
  return static_cast<std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

// Whether another attempt may come to another end.
bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR:
      return false;
    default:
      return true;
  }
}
bool may_pass(long status) {
  constexpr long kRequestTimeout = 408;
  constexpr long kTooMany = 429;
  constexpr long kServer = 500;
  constexpr long kNotImplemented = 501;
  return status == kRequestTimeout || status == kTooMany || (status >= kServer && status != kNotImplemented);
}

}  // namespace

// One handle of libcurl, its options set anew for each request.
class S3Client::Handle {
 public:
  Handle() : curl_(curl_easy_init(), curl_easy_cleanup), headers_(nullptr, curl_slist_free_all) {}

  [[nodiscard]] bool is_there() const { return curl_ != nullptr; }
  void reset() {
    curl_easy_reset(curl_.get());
    headers_.reset();
  }
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl_.get(), option, value);
  }
  void header(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(headers_.get(), line.c_str())) {
      static_cast<void>(headers_.release());
      headers_.reset(longer);
    }
  }
  CURLcode perform() {
    set(CURLOPT_HTTPHEADER, headers_.get());
    return curl_easy_perform(curl_.get());
  }
  void read_status(S3Reply& reply) {
    curl_off_t size = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &reply.status);
    curl_easy_getinfo(curl_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    reply.size_bytes = size < 0 ? 0 : static_cast<std::uint64_t>(size);
    curl_header* hash = nullptr;
    if (curl_easy_header(curl_.get(), kHashHeader, 0, CURLH_HEADER, -1, &hash) == CURLHE_OK) reply.sha256 = hash->value;
  }

 private:
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl_;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_;
};

S3Client::S3Client(Location location, const Patience& patience)
    : location_(std::move(location)),
      patience_(patience),
      endpoint_(endpoint_of(location_)),
      region_(region_of(location_)) {}

S3Client::~S3Client() = default;

void S3Client::cancel() {
  ending_.request_stop();
  woken_.notify_all();
}

std::string S3Client::url_of(const S3Request& request) const {
  std::string url = fmt::format("{}/{}", endpoint_, location_.bucket);
  if (!request.key.empty()) url += "/" + escaped(request.key, "/");
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    url += fmt::format("{}{}={}", separator, escaped(name, {}), escaped(value, {}));
    separator = '&';
  }
  return url;
}

Result<S3Reply> S3Client::send(const S3Request& request) {
  if (!is_endpoint(endpoint_)) {
    return fail(ErrorCode::kConfig,
                fmt::format("the endpoint \"{}\" is no \"https://host[:port]\"",
                            printable(endpoint_.substr(endpoint_.rfind('@') + 1))));  // no password is shown
  }
  std::minstd_rand random{std::random_device{}()};
  auto pause = patience_.pause;
  for (int attempts = 1;; ++attempts) {
    bool may_help = false;
    auto reply = attempt(request, may_help);
    if (ending_.stop_requested()) return fail(ErrorCode::kCancelled, "it was given up");
    if (!may_help || attempts >= patience_.attempts) return reply;
    // Not all clients at the same moment.
    const auto jitter = pause * static_cast<int>(random() % kJitterPercent) / 100;
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending_.get_token(), pause + jitter, [] { return false; });
    pause *= 2;
  }
}

// libcurl signs what it sends: host, date and the headers given here. The query has to be sorted already, and
// x-amz-content-sha256 to be there.
void S3Client::prepare(Handle& handle, const S3Request& request, const Credentials& credentials) const {
  handle.set(CURLOPT_URL, url_of(request).c_str());
  handle.set(CURLOPT_AWS_SIGV4, fmt::format("aws:amz:{}:s3", region_).c_str());
  handle.set(CURLOPT_USERNAME, credentials.key_id.c_str());
  handle.set(CURLOPT_PASSWORD, credentials.secret.c_str());
  handle.header("x-amz-content-sha256: " + sha256_hex(request.body));
  if (!credentials.session_token.empty()) handle.header("x-amz-security-token: " + credentials.session_token);
  if (request.method == Method::kHead) handle.set(CURLOPT_NOBODY, 1L);
  if (request.method == Method::kPut) {
    handle.set(CURLOPT_CUSTOMREQUEST, "PUT");
    handle.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its size is told above
    handle.set(CURLOPT_POSTFIELDS, request.body.data());
    handle.header("Content-Type: application/octet-stream");
    handle.header(fmt::format("{}: {}", kHashHeader, sha256_hex(request.body)));
    handle.header("Expect:");
  }
  if (!location_.tls_ca.empty()) handle.set(CURLOPT_CAINFO, location_.tls_ca.c_str());
  handle.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience_.connect.count()));
  handle.set(CURLOPT_LOW_SPEED_LIMIT, kSlow);
  handle.set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience_.silent.count()));
  handle.set(CURLOPT_TIMEOUT, static_cast<long>(patience_.whole.count()));
  handle.set(CURLOPT_NOSIGNAL, 1L);
  handle.set(CURLOPT_FOLLOWLOCATION, 0L);
  handle.set(CURLOPT_PROTOCOLS_STR, "http,https");
  handle.set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  handle.set(CURLOPT_USERAGENT, "secbeat/" SECBEAT_VERSION);
}

Result<S3Reply> S3Client::attempt(const S3Request& request, bool& may_help) {
  const auto credentials = find_credentials(location_.credentials);
  if (!credentials) return std::unexpected(credentials.error());
  if (!handle_) handle_ = std::make_unique<Handle>();
  if (!handle_->is_there()) return fail(ErrorCode::kIo, "libcurl cannot be used");
  Handle& handle = *handle_;
  handle.reset();
  prepare(handle, request, *credentials);
  std::stop_token stop = ending_.get_token();
  Body body{.bytes = {}, .limit = request.limit};
  handle.set(CURLOPT_WRITEFUNCTION, collect);
  handle.set(CURLOPT_WRITEDATA, &body);
  handle.set(CURLOPT_NOPROGRESS, 0L);
  handle.set(CURLOPT_XFERINFOFUNCTION, goes_on);
  handle.set(CURLOPT_XFERINFODATA, &stop);
  const CURLcode code = handle.perform();
  S3Reply reply;
  handle.read_status(reply);
  if (body.is_too_large) {
    return fail(ErrorCode::kTooLarge, fmt::format("the answer is larger than {} bytes", request.limit));
  }
  if (code != CURLE_OK) {
    may_help = may_pass(code);
    return fail(ErrorCode::kIo, fmt::format("no answer from {}: {}", endpoint_, curl_easy_strerror(code)));
  }
  may_help = may_pass(reply.status);
  reply.body = std::move(body.bytes);
  return reply;
}

}  // namespace secbeat::archive
