#include "node_api/client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>

namespace secbeat::cli {
namespace {

// An answer of the API is small but for a module's bytes; anything beyond this is not a node.
constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20U;
constexpr long kConnectTimeoutSeconds = 5;

long seconds_of(Patience patience) {
  switch (patience) {
    case Patience::kGlance:
      return 2;
    case Patience::kEmergency:
      return 5;
    case Patience::kRead:
      return 30;
    case Patience::kChange:
      return 300;
  }
  return 30;
}

std::string_view advice_on(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return "Nothing was sent: its certificate is not one that this machine trusts for this address. Where you know "
             "who "
             "signed it: --ca FILE, SECBEAT_CA, or ca in a profile";
    case CURLE_SSL_CACERT_BADFILE:
      return "--ca, SECBEAT_CA or the profile's ca has to be a file with certificates in PEM";
    case CURLE_SSL_CONNECT_ERROR:
      return "Does the node have TLS (tls_certificate in its [api])? Without it, its address begins with http://";
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
      return "Is it a node's API? Where the node has TLS (tls_certificate in its [api]), its address begins with "
             "https://";
    default:
      return "Is the node running (secbeat node --config FILE), and does its [api] listen say this address? Another "
             "one: --api URL, SECBEAT_API, or a profile (--profile NAME)";
  }
}

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() + size * count > kMaxReplyBytes) return 0;
  body.append(data, size * count);
  return size * count;
}

// An ETag is a quoted text of printable characters; another one is as none.
std::size_t find_etag(char* data, std::size_t size, std::size_t count, void* target) {
  constexpr std::string_view kName = "etag:";
  constexpr std::size_t kLongest = 256;
  std::string_view line(data, size * count);
  const bool is_etag = line.size() > kName.size() && curl_strnequal(data, kName.data(), kName.size()) != 0;
  if (!is_etag) return size * count;
  line.remove_prefix(kName.size());
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  const bool plain = line.size() <= kLongest && std::ranges::all_of(line, [](char c) { return c > ' ' && c < 0x7f; });
  if (plain) *static_cast<std::string*>(target) = line;
  return size * count;
}

// One request to be; its headers live as long as it does.
class Request {
 public:
  Request(const Target& target, std::string_view path, const std::string& request_id)
      : address_(target.address), handle_(curl_easy_init(), curl_easy_cleanup), headers_(nullptr, curl_slist_free_all) {
    set(CURLOPT_URL, (target.address + std::string(path)).c_str());
    if (!request_id.empty()) header("X-Request-Id: " + request_id);
    if (!target.key.empty()) header("Authorization: Bearer " + target.key);
    if (!target.ca.empty()) set(CURLOPT_CAINFO, target.ca.c_str());
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(handle_.get(), option, value);
  }
  void header(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(headers_.get(), line.c_str())) {
      static_cast<void>(headers_.release());
      headers_.reset(longer);
    }
  }
  [[nodiscard]] CURL* handle() const { return handle_.get(); }

  Result<Reply> send(Patience patience) {
    Reply reply;
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_WRITEFUNCTION, collect);
    set(CURLOPT_WRITEDATA, &reply.body);
    set(CURLOPT_HEADERFUNCTION, find_etag);
    set(CURLOPT_HEADERDATA, &reply.etag);
    set(CURLOPT_CONNECTTIMEOUT, kConnectTimeoutSeconds);
    set(CURLOPT_TIMEOUT, seconds_of(patience));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_USERAGENT, "secbeat/" SECBEAT_VERSION);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (const CURLcode code = curl_easy_perform(handle_.get()); code != CURLE_OK) {
      return fail(ErrorCode::kIo, fmt::format("No answer from the node's API at {}: {}. {}", address_,
                                              curl_easy_strerror(code), advice_on(code)));
    }
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &reply.status);
    return reply;
  }

 private:
  const std::string& address_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_;
};

std::string new_request_id() {
  std::random_device random;
  return fmt::format("cli-{:08x}{:08x}", random(), random());
}

}  // namespace

Client::Client(Target target) : target_(std::move(target)), request_id_(new_request_id()) {}

Result<Reply> Client::get(std::string_view path, Patience patience) const {
  return Request(target_, path, {}).send(patience);
}

Result<Reply> Client::remove(std::string_view path) const {
  Request request(target_, path, request_id_);
  request.set(CURLOPT_CUSTOMREQUEST, "DELETE");
  return request.send(Patience::kChange);
}

Result<Reply> Client::post_form(std::string_view path, const std::vector<FormPart>& parts) const {
  Request request(target_, path, request_id_);
  const std::unique_ptr<curl_mime, decltype(&curl_mime_free)> form(curl_mime_init(request.handle()), curl_mime_free);
  for (const FormPart& part : parts) {
    curl_mimepart* field = curl_mime_addpart(form.get());
    curl_mime_name(field, part.name.c_str());
    curl_mime_data(field, part.value.data(), part.value.size());
    if (part.file_name) curl_mime_filename(field, part.file_name->c_str());
  }
  request.set(CURLOPT_MIMEPOST, form.get());
  return request.send(Patience::kChange);
}

Result<Reply> Client::post_json(std::string_view path, const std::string& body, Patience patience) const {
  Request request(target_, path, request_id_);
  request.header("Content-Type: application/json");
  request.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  request.set(CURLOPT_POSTFIELDS, body.data());
  return request.send(patience);
}

Result<Reply> Client::put_json(std::string_view path, const std::string& body, const std::string& if_match) const {
  Request request(target_, path, request_id_);
  request.header("Content-Type: application/json");
  request.header("If-Match: " + if_match);
  request.set(CURLOPT_CUSTOMREQUEST, "PUT");
  request.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  request.set(CURLOPT_POSTFIELDS, body.data());
  return request.send(Patience::kChange);
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       byte == '-' || byte == '.' || byte == '_' || byte == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

}  // namespace secbeat::cli
