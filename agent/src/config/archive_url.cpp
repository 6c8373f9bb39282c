// [archive] url.
#include <fmt/format.h>

#include <optional>

#include "config_values.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::agent {
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

}  // namespace

Result<std::filesystem::path> archive_folder(std::string_view url) {
  constexpr std::string_view kFile = "file://";
  if (url.starts_with("s3://")) {
    return fail(ErrorCode::kConfig,
                "this version archives into folders only, not into S3 buckets; give a folder (\"file:///srv/archive\", "
                "or a path), or take the key out, or you would rely on it in vain");
  }
  std::optional<std::string> path = std::string(url);
  if (url.starts_with(kFile)) {
    path = percent_decoded(url.substr(kFile.size()));
    if (path && path->starts_with("localhost/")) path->erase(0, std::string_view("localhost").size());
    if (!path || !path->starts_with('/')) {
      return fail(ErrorCode::kConfig, fmt::format("expected \"file:///folder\", got \"{}\"", printable(url)));
    }
  } else if (url.find("://") != std::string_view::npos) {
    return fail(ErrorCode::kConfig,
                fmt::format("expected a folder (\"file:///srv/archive\", or a path), got \"{}\"", printable(url)));
  }
  if (path->empty() || !is_plain_path(*path)) {
    return fail(ErrorCode::kConfig, "expected a path without quotes, '\\', '$', ';', braces and control characters");
  }
  return std::filesystem::path(*path);
}

}  // namespace secbeat::agent
