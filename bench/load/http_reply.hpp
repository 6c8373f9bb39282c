// Reads HTTP/1.1 answers from a stream of bytes: just enough for a load client that must not miss a fault.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace secbeat::bench {

struct HttpReply {
  int status = 0;
  bool closes = false;  // the server said Connection: close
  std::string receipt;  // X-SecBeat-Receipt, empty where absent
};

enum class ReplyState { kIncomplete, kComplete, kBroken };

// Owned by one connection. Feed what was read; take one reply at a time (no pipelining).
class ReplyReader {
 public:
  ReplyState feed(std::string_view bytes) {
    buffer_ += bytes;
    return parse();
  }
  [[nodiscard]] const HttpReply& reply() const { return reply_; }
  [[nodiscard]] bool started() const { return !buffer_.empty(); }
  void reset() {
    buffer_.clear();
    reply_ = {};
    head_end_ = 0;
    content_length_.reset();
    chunked_ = false;
  }

 private:
  static constexpr std::size_t kMaxReply = std::size_t{1} << 20U;

  static bool equals(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
  }

  bool parse_head() {
    const std::string_view head(buffer_.data(), head_end_);
    if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) return false;
    const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, reply_.status);
    if (error != std::errc() || end != head.data() + 12) return false;
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t stop = head.find("\r\n", at);
      if (stop == at || stop == std::string_view::npos) break;
      const std::string_view line = head.substr(at, stop - at);
      at = stop + 2;
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) return false;
      const std::string_view name = line.substr(0, colon);
      std::string_view value = line.substr(colon + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      if (equals(name, "content-length")) {
        std::size_t length = 0;
        const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
        if (parsed.ec != std::errc() || length > kMaxReply) return false;
        content_length_ = length;
      } else if (equals(name, "transfer-encoding")) {
        chunked_ = equals(value, "chunked");
      } else if (equals(name, "connection")) {
        reply_.closes = equals(value, "close");
      } else if (equals(name, "x-secbeat-receipt")) {
        reply_.receipt = value;
      }
    }
    return true;
  }

  ReplyState parse() {
    if (buffer_.size() > kMaxReply) return ReplyState::kBroken;
    if (head_end_ == 0) {
      const std::size_t end = buffer_.find("\r\n\r\n");
      if (end == std::string::npos) return ReplyState::kIncomplete;
      head_end_ = end + 4;
      if (!parse_head()) return ReplyState::kBroken;
    }
    const std::size_t body = buffer_.size() - head_end_;
    if (chunked_) {
      if (!std::string_view(buffer_).ends_with("0\r\n\r\n")) return ReplyState::kIncomplete;
      return ReplyState::kComplete;
    }
    if (!content_length_) return ReplyState::kBroken;  // would only end with the connection
    if (body > *content_length_) return ReplyState::kBroken;
    return body == *content_length_ ? ReplyState::kComplete : ReplyState::kIncomplete;
  }

  std::string buffer_;
  std::size_t head_end_ = 0;  // 0: the head has not come whole
  std::optional<std::size_t> content_length_;
  bool chunked_ = false;
  HttpReply reply_;
};

}  // namespace secbeat::bench
