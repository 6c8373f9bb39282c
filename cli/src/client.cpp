#include "client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace secbeat::cli {
namespace {

// An answer of the API is small but for a module's bytes; anything beyond this is not a node.
constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20U;
constexpr long kConnectTimeoutSeconds = 5;
constexpr long kReadTimeoutSeconds = 30;
// A reload may take the node's compile timeout, then a stage and a commit that wait for workers.
constexpr long kChangeTimeoutSeconds = 300;

struct EasyClose {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Easy = std::unique_ptr<CURL, EasyClose>;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() + size * count > kMaxReplyBytes) return 0;
  body.append(data, size * count);
  return size * count;
}

Result<Reply> perform(CURL* handle, const std::string& address, long timeout_seconds) {
  Reply reply;
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutSeconds);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, timeout_seconds);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "secbeat/" SECBEAT_VERSION);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  if (const CURLcode code = curl_easy_perform(handle); code != CURLE_OK) {
    return fail(
        ErrorCode::kIo,
        fmt::format("No answer from the node's API at {}: {}. Is the node running (secbeat node --config FILE), "
                    "and does its [api] listen say this address? Another one: --api URL or SECBEAT_API",
                    address, curl_easy_strerror(code)));
  }
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &reply.status);
  return reply;
}

Easy make(const std::string& url) {
  Easy handle(curl_easy_init());
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  return handle;
}

}  // namespace

Result<Reply> Client::get(std::string_view path) const {
  const Easy handle = make(address_ + std::string(path));
  return perform(handle.get(), address_, kReadTimeoutSeconds);
}

Result<Reply> Client::remove(std::string_view path) const {
  const Easy handle = make(address_ + std::string(path));
  curl_easy_setopt(handle.get(), CURLOPT_CUSTOMREQUEST, "DELETE");
  return perform(handle.get(), address_, kChangeTimeoutSeconds);
}

Result<Reply> Client::post_form(std::string_view path, const std::vector<FormPart>& parts) const {
  const Easy handle = make(address_ + std::string(path));
  curl_mime* form = curl_mime_init(handle.get());
  for (const FormPart& part : parts) {
    curl_mimepart* field = curl_mime_addpart(form);
    curl_mime_name(field, part.name.c_str());
    curl_mime_data(field, part.value.data(), part.value.size());
    if (part.file_name) curl_mime_filename(field, part.file_name->c_str());
  }
  curl_easy_setopt(handle.get(), CURLOPT_MIMEPOST, form);
  auto reply = perform(handle.get(), address_, kChangeTimeoutSeconds);
  curl_mime_free(form);
  return reply;
}

Result<Reply> Client::post_json(std::string_view path, const std::string& body) const {
  const Easy handle = make(address_ + std::string(path));
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, body.data());
  auto reply = perform(handle.get(), address_, kChangeTimeoutSeconds);
  curl_slist_free_all(headers);
  return reply;
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
