#include "s3_storage.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "s3_answers.hpp"
#include "s3_client.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::archive {
namespace {

constexpr long kOk = 200;
constexpr long kMultipleChoices = 300;
constexpr long kBadRequest = 400;
constexpr long kForbidden = 403;
constexpr long kNotFound = 404;

bool is_good(const S3Reply& reply) { return reply.status >= kOk && reply.status < kMultipleChoices; }

std::string_view advice_on(long status, std::string_view code) {
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch") return "look at the credentials";
  if (code == "RequestTimeTooSkewed") return "look at this machine's clock";
  if (code == "NoSuchBucket") return "make the bucket";
  if (code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect") return "look at [archive] region";
  if (status >= kMultipleChoices && status < kBadRequest) return "look at [archive] region and endpoint";
  if (status == kForbidden) return "look at the credentials and at what the bucket lets them do";
  return "look at the server's log";
}

class S3Storage final : public Storage {
 public:
  S3Storage(const Location& location, const Patience& patience)
      : place_(to_text(location)),
        prefix_(location.prefix.empty() ? "" : location.prefix + "/"),
        client_(location, patience) {}

  [[nodiscard]] const std::string& place() const override { return place_; }
  void cancel() override { client_.cancel(); }

  Result<void> check() override {
    const auto page = page_of(prefix_, {}, "1");
    if (!page) return std::unexpected(page.error());
    return {};
  }

  Result<std::string> get(const std::string& key, std::size_t limit) override {
    const auto reply = send({.method = Method::kGet, .key = prefix_ + key, .limit = std::max(limit, kMaxAnswerBytes)});
    if (!reply) return std::unexpected(reply.error());
    if (!is_good(*reply)) return refused(*reply, key);
    if (reply->body.size() > limit) {
      return fail(ErrorCode::kTooLarge, fmt::format("{}/{} is larger than {} bytes", place_, key, limit));
    }
    return reply->body;
  }

  // Objects of builds that did not tell their hash are known by their size alone.
  bool holds(const std::string& key, std::string_view sha256, std::size_t size) override {
    const auto reply = send({.method = Method::kHead, .key = prefix_ + key});
    return reply && is_good(*reply) && reply->size_bytes == size && (reply->sha256.empty() || reply->sha256 == sha256);
  }

  // Never kNotFound: a proxy that has no server behind it answers 404 as well.
  Result<void> put(const std::string& key, std::string_view bytes) override {
    const auto reply = send({.method = Method::kPut, .key = prefix_ + key, .body = bytes, .limit = kMaxAnswerBytes});
    if (!reply) return std::unexpected(reply.error());
    if (is_good(*reply)) return {};
    return no_place(*reply);
  }

  Result<std::vector<StoredFile>> list_where(const std::string& folder, const KeyFilter& is_wanted) override {
    const std::string prefix = prefix_ + folder + "/";
    std::vector<StoredFile> files;
    std::string token;
    do {
      auto page = page_of(prefix, token, "1000");
      if (!page) return std::unexpected(page.error());
      for (StoredFile& file : page->files) {
        if (!file.key.starts_with(prefix)) return confused("lists what it was not asked for");
        file.key.erase(0, prefix_.size());
        if (is_wanted(file.key)) files.push_back(std::move(file));
      }
      const bool goes_on = page->is_truncated;
      if (goes_on && (page->next == token || page->files.empty())) return confused("gives a list without an end");
      if (files.size() > kMaxListedFiles) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("{}/{} holds more than {} files", place_, folder, kMaxListedFiles));
      }
      token = goes_on ? page->next : std::string();
    } while (!token.empty());
    std::ranges::sort(files, {}, &StoredFile::key);
    return files;
  }

 private:
  Result<S3Reply> send(const S3Request& request) {
    auto reply = client_.send(request);
    if (reply) return reply;
    return fail(reply.error().code, fmt::format("{}: {}", place_, reply.error().message));
  }

  Result<ListPage> page_of(const std::string& prefix, const std::string& token, const std::string& most) {
    S3Request request{.limit = kMaxAnswerBytes};
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    request.query.emplace_back("list-type", "2");
    request.query.emplace_back("max-keys", most);
    if (!prefix.empty()) request.query.emplace_back("prefix", prefix);
    const auto reply = send(request);
    if (!reply) return std::unexpected(reply.error());
    if (!is_good(*reply)) return no_place(*reply);
    auto page = list_page_from_xml(reply->body);
    if (!page) return fail(page.error().code, fmt::format("{}: {}", place_, page.error().message));
    return page;
  }

  [[nodiscard]] std::unexpected<Error> confused(std::string_view what) const {
    return fail(ErrorCode::kProtocol, fmt::format("{}: the server at {} {}", place_, client_.endpoint(), what));
  }

  // kNotFound only where the server itself says that the key is missing, and not the bucket.
  [[nodiscard]] std::unexpected<Error> refused(const S3Reply& reply, const std::string& key) const {
    if (reply.status == kNotFound && error_from_xml(reply.body).code == "NoSuchKey") {
      return fail(ErrorCode::kNotFound, fmt::format("there is no {}/{}", place_, key));
    }
    return no_place(reply);
  }

  [[nodiscard]] std::unexpected<Error> no_place(const S3Reply& reply) const {
    const S3Error error = error_from_xml(reply.body);
    return fail(reply.status == kForbidden ? ErrorCode::kForbidden : ErrorCode::kIo,
                fmt::format("{}: {} answers {}{}{}{}{}; {}", place_, client_.endpoint(), reply.status,
                            error.code.empty() ? "" : " ", printable(error.code), error.message.empty() ? "" : ": ",
                            printable(error.message), advice_on(reply.status, error.code)));
  }

  const std::string place_;
  const std::string prefix_;  // with a slash at its end, or empty
  S3Client client_;
};

}  // namespace

std::unique_ptr<Storage> open_s3(const Location& location, const Patience& patience) {
  return std::make_unique<S3Storage>(location, patience);
}

}  // namespace secbeat::archive
