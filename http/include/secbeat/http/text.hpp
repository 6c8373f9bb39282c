// Text from outside: is it plain, what number or moment does it name, how may it be shown.
//
// Thread safety: free functions without state.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/clock.hpp"

namespace secbeat::http {

// Length of the front part that is UTF-8 (RFC 3629) without control characters: the text's size where all is.
std::size_t plain_text_length(std::string_view text);

// A client's text as it may stand in a message or a log line: cut, and what is not plain escaped.
std::string shown(std::string_view text, std::size_t limit = 64);

// The whole text as a decimal number that T holds.
template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace secbeat::http
