#include "labels.hpp"

#include <fmt/format.h>

#include <charconv>

namespace secbeat::agent {
namespace {

std::string member(std::string_view family, std::uint64_t number) {
  if (family == kCountedFamily) return fmt::format("v{}", number);
  if (number == 1) return std::string(family);
  // A version that carries build metadata already gets one more identifier of it.
  const char separator = family.find('+') == std::string_view::npos ? '+' : '.';
  return fmt::format("{}{}{}", family, separator, number);
}

// The number at the end of `label`, after `prefix`; empty where it is not written as member() writes it.
std::optional<std::uint64_t> number_after(std::string_view label, std::size_t prefix) {
  if (label.size() <= prefix || label[prefix] == '0') return std::nullopt;
  std::uint64_t number = 0;
  const char* end = label.data() + label.size();
  const auto [stop, error] = std::from_chars(label.data() + prefix, end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

bool given(const LabelFamilies& families, std::string_view family, std::uint64_t number) {
  const auto found = families.find(family);
  return found != families.end() && number <= found->second.given;
}

}  // namespace

std::optional<std::uint64_t> counted_number(std::string_view label) {
  return label.starts_with('v') ? number_after(label, 1) : std::nullopt;
}

bool label_used(const LabelFamilies& families, std::string_view label) {
  if (!label.empty() && given(families, label, 1)) return true;
  if (const auto number = counted_number(label); number && given(families, kCountedFamily, *number)) return true;
  const std::size_t separator = label.find_last_of("+.");
  if (separator == std::string_view::npos || separator == 0) return false;
  const auto number = number_after(label, separator + 1);
  const std::string_view family = label.substr(0, separator);
  return number && *number > 1 && given(families, family, *number) && member(family, *number) == label;
}

std::optional<NewLabel> wanted_label(const LabelFamilies& families, std::string_view label) {
  if (label.empty() || label_used(families, label)) return std::nullopt;
  if (const auto number = counted_number(label)) {
    return NewLabel{
        .label = std::string(label), .family = std::string(kCountedFamily), .number = *number, .warning = {}};
  }
  return NewLabel{.label = std::string(label), .family = std::string(label), .number = 1, .warning = {}};
}

NewLabel next_label(const LabelFamilies& families, const std::optional<std::string>& embedded_version,
                    std::string_view sha256) {
  NewLabel next;
  next.family = embedded_version.value_or(std::string(kCountedFamily));
  const auto family = families.find(next.family);
  next.number = family == families.end() ? 1 : family->second.given + 1;
  while (label_used(families, member(next.family, next.number))) ++next.number;
  next.label = member(next.family, next.number);
  if (embedded_version && next.number > 1 && (family == families.end() || family->second.last_sha256 != sha256)) {
    next.warning =
        fmt::format("version {} was given to other bytes before; this one is called {}", *embedded_version, next.label);
  }
  return next;
}

}  // namespace secbeat::agent
