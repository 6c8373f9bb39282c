#include "secbeat/archive/location.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "archive_names.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::archive {
namespace {

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? digit(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? digit(text[i + 2]) : std::nullopt;
    if (!high || !low) return std::nullopt;
    plain += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return plain;
}

bool consists_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || others.find(c) != others.npos; });
}

bool is_bucket(std::string_view text) {
  return text.size() >= 3 && text.size() <= 63 && is_alphanumeric(text.front()) && consists_of(text, "._-");
}

// Words with single slashes between them.
bool is_prefix(std::string_view text) {
  constexpr std::size_t kLongest = 512;  // of the 1,024 bytes that a key may have
  if (text.size() > kLongest) return false;
  for (;;) {
    const std::string_view word = text.substr(0, text.find('/'));
    if (word.empty() || word == "." || word == ".." || !consists_of(word, "._-")) return false;
    if (word.size() == text.size()) return true;
    text.remove_prefix(word.size() + 1);
  }
}

Result<Location> bucket_of(std::string_view url) {
  const std::string_view rest = url.substr(std::string_view("s3://").size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view bucket = rest.substr(0, slash);
  std::string_view prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!is_bucket(bucket) || (!prefix.empty() && !is_prefix(prefix))) {
    return fail(ErrorCode::kConfig,
                fmt::format("expected \"s3://bucket\" or \"s3://bucket/prefix\" of letters, digits, '.', '_' and '-', "
                            "got \"{}\"",
                            printable(url)));
  }
  return Location{.bucket = std::string(bucket), .prefix = std::string(prefix)};
}

bool is_no_text(std::string_view path) {
  return std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Result<Location> location_of(std::string_view url) {
  constexpr std::string_view kFile = "file://";
  if (url.starts_with("s3://")) return bucket_of(url);
  std::optional<std::string> path = std::string(url);
  if (url.starts_with(kFile)) {
    path = percent_decoded(url.substr(kFile.size()));
    if (path && path->starts_with("localhost/")) path->erase(0, std::string_view("localhost").size());
    if (!path || !path->starts_with('/')) {
      return fail(ErrorCode::kConfig, fmt::format("expected \"file:///folder\", got \"{}\"", printable(url)));
    }
  } else if (url.find("://") != std::string_view::npos) {
    return fail(ErrorCode::kConfig,
                fmt::format("expected a folder (\"file:///srv/archive\", or a path) or \"s3://bucket/prefix\", "
                            "got \"{}\"",
                            printable(url)));
  }
  if (path->empty() || is_no_text(*path)) {
    return fail(ErrorCode::kConfig, "expected a path without control characters, or \"s3://bucket/prefix\"");
  }
  return Location{.folder = *path};
}

std::string to_text(const Location& location) {
  if (location.bucket.empty()) return location.folder.string();
  return fmt::format("s3://{}{}{}", location.bucket, location.prefix.empty() ? "" : "/", location.prefix);
}

bool is_endpoint(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  constexpr std::size_t kLongestPort = 5;
  if (text.size() > kLongest) return false;
  const bool has_scheme = text.starts_with("http://") || text.starts_with("https://");
  std::string_view host = has_scheme ? text.substr(text.find("//") + 2) : std::string_view();
  const std::size_t end = host.starts_with('[') ? host.find(']') : host.find(':');
  std::string_view port;
  if (host.starts_with('[')) {
    if (end == host.npos) return false;
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else {
    port = end == host.npos ? std::string_view() : host.substr(end);
    host = host.substr(0, end);
  }
  if (!port.empty()) {
    const bool is_port = port.starts_with(':') && port.size() > 1 && port.size() <= kLongestPort + 1 &&
                         port.find_first_not_of("0123456789", 1) == port.npos;
    if (!is_port) return false;
  }
  return !host.empty() && consists_of(host, "._-:");
}

bool is_region(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  return !text.empty() && text.size() <= kLongest &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace secbeat::archive
