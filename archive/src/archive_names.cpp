#include "archive_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace secbeat::archive {
namespace {

bool all_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || others.find(c) != others.npos; });
}

}  // namespace

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

bool is_file_label(std::string_view text) {
  return !text.empty() && text.size() <= 128 && is_alphanumeric(text.front()) && all_of(text, ".+-");
}

bool is_file_node(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' && text.front() != '-' && all_of(text, "._-");
}

bool is_time(std::string_view text) {
  return !text.empty() && text.size() <= 40 && text.find_first_not_of("0123456789TZ:-+.") == text.npos;
}

std::string manifest_name(std::string_view label, std::string_view node, int number) {
  if (number == 1) return fmt::format("{}@{}.json", label, node);
  return fmt::format("{}@{}~{}.json", label, node, number);
}

bool is_manifest_name(std::string_view name, std::string_view label, std::string_view node) {
  const std::string start = fmt::format("{}@{}", label, node);
  if (!name.starts_with(start) || !name.ends_with(".json")) return false;
  const std::string_view rest =
      name.substr(start.size(), name.size() - start.size() - std::string_view(".json").size());
  return rest.empty() || (rest.size() > 1 && rest[0] == '~' && rest.find_first_not_of("0123456789", 1) == rest.npos);
}

bool is_manifest_of(std::string_view name, std::string_view node) {
  const std::size_t at = name.find('@');  // no label has one
  return at != std::string_view::npos && is_manifest_name(name, name.substr(0, at), node);
}

}  // namespace secbeat::archive
