#include "watched_file.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {
namespace {

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// The fault of a configuration, which is JSON as over the API; empty: none.
std::optional<Error> fault_of_configuration(std::string_view text) {
  using Json = nlohmann::json;
  // The document is not kept: one that is only walked needs no memory for it.
  try {
    [[maybe_unused]] const Json nothing = Json::parse(text, [](int, Json::parse_event_t, Json&) { return false; });
  } catch (const Json::parse_error& error) {
    return Error{ErrorCode::kBadConfigJson, fmt::format("Malformed configuration: no JSON at byte {}", error.byte)};
  } catch (const Json::exception&) {
    return Error{ErrorCode::kBadConfigJson, "Malformed configuration: a number is out of range"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<WatchedFile::Identity> WatchedFile::identify() const {
  struct stat st{};
  if (::stat(path_.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) return std::nullopt;
  return Identity{.device = st.st_dev,
                  .inode = st.st_ino,
                  .size = static_cast<std::uint64_t>(st.st_size),
                  .modified_ns = nanoseconds(st.st_mtim),
                  .changed_ns = nanoseconds(st.st_ctim)};
}

WatchedFile::Content WatchedFile::read(const Identity& identity) const {
  auto bytes = read_file(path_, limit_bytes_);
  Content content;
  if (!bytes) {
    content.problem = bytes.error();
    if (bytes.error().code == ErrorCode::kTooLarge) {
      content.problem->message =
          fmt::format("The {} has {} bytes; the limit is {} bytes",
                      kind_ == FileKind::kModule ? "module" : "configuration", identity.size, limit_bytes_);
    }
    content.sha256 = content.problem->message;
    content.whole = false;
    return content;
  }
  content.sha256 = sha256_hex(*bytes);
  content.bytes = *std::move(bytes);
  if (kind_ == FileKind::kModule) {
    content.whole = engine::read_module_info(content.bytes).has_value();  // the upload says what is wrong
  } else {
    content.problem = fault_of_configuration(content.bytes);
    content.whole = !content.problem;
  }
  return content;
}

void WatchedFile::accept_as_it_is() {
  known_ = identify();
  known_sha256_ = known_ ? read(*known_).sha256 : std::string();
  gone_told_ = !known_;
}

WatchedFile::State WatchedFile::settle_until(SteadyTime due) {
  due_ = due;
  return State::kSettling;
}

WatchedFile::State WatchedFile::gone() {
  if (!gone_told_) {
    spdlog::warn("{} is gone or empty; what is in force stays, and the file is taken up when it is back",
                 path_.string());
    gone_told_ = true;
  }
  known_.reset();
  seen_.reset();
  content_.reset();
  return State::kGone;
}

WatchedFile::State WatchedFile::look(SteadyTime now, const Patience& patience, Writer writer) {
  const std::optional<Identity> identity = identify();
  if (!identity) return gone();
  gone_told_ = false;
  if (identity == known_) {
    seen_.reset();
    content_.reset();
    return State::kSame;
  }
  if (identity != seen_) {
    seen_ = identity;
    seen_at_ = now;
    content_.reset();
  }
  const auto wait = writer == Writer::kAtWork ? patience.broken : patience.settled;
  if (now < seen_at_ + wait) return settle_until(seen_at_ + wait);
  if (!content_) {
    content_ = read(*identity);
    if (identify() != seen_) {  // it changed while it was read
      content_.reset();
      return settle_until(now);
    }
  }
  if (content_->sha256 == known_sha256_) {
    dealt_with();
    return State::kSame;
  }
  if (!content_->whole && now < seen_at_ + patience.broken) return settle_until(seen_at_ + patience.broken);
  return State::kChanged;
}

void WatchedFile::dealt_with() {
  known_sha256_ = std::move(content_->sha256);
  known_ = seen_;
  seen_.reset();
  content_.reset();
}

}  // namespace secbeat::agent
