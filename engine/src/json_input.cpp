#include "json_input.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "utf8.hpp"

namespace secbeat::engine {
namespace {

// Stands in a JSON string as it is, whatever is next to it.
bool is_plain(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20U && byte < 0x80U && byte != '"' && byte != '\\';
}

// The number of bytes that `text` begins with and that stand in a JSON string as they are. Eight at a time: in each
// word the highest bit of a byte is set where the byte is not plain, exactly so up to the first such byte.
std::size_t plain_length(std::string_view text) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighest = 0x80 * kOnes;
  const auto is_zero = [](std::uint64_t word) { return (word - kOnes) & ~word; };
  std::size_t i = 0;
  for (; i + sizeof(std::uint64_t) <= text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof word);
    const std::uint64_t control = (word - 0x20 * kOnes) & ~word;
    const std::uint64_t found =
        (word | control | is_zero(word ^ ('"' * kOnes)) | is_zero(word ^ ('\\' * kOnes))) & kHighest;
    if (found != 0) return i + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (i < text.size() && is_plain(text[i])) ++i;
  return i;
}

}  // namespace

std::string_view JsonInput::write(const RequestView& request) {
  text_ = '{';
  put_member("method", request.method);
  text_ += ',';
  put_member("uri", request.uri);
  text_ += ',';
  put_member("version", request.version);
  text_ += ',';
  put_member("source_ip", request.source_ip);
  text_ += ",\"headers\":{";
  put_headers(request.headers);
  text_ += "},";
  put_member("body", request.body);
  text_ += '}';
  return text_;
}

void JsonInput::put_member(std::string_view name, std::string_view value) {
  text_ += '"';
  put_escaped(name);
  text_ += "\":\"";
  put_escaped(value);
  text_ += '"';
}

void JsonInput::put_headers(std::span<const HeaderView> headers) {
  // Sorting brings headers of one name together at a cost that no number of them makes quadratic.
  order_.resize(headers.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int names = headers[a].name.compare(headers[b].name);
    return names != 0 ? names < 0 : a < b;
  });
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const HeaderView& header = headers[order_[i]];
    const bool repeats = i > 0 && headers[order_[i - 1]].name == header.name;
    if (repeats) {
      text_.pop_back();  // the quotation mark that ended the value so far
      text_ += header.name == "cookie" ? "; " : ", ";
      put_escaped(header.value);
      text_ += '"';
    } else {
      if (i > 0) text_ += ',';
      put_member(header.name, header.value);
    }
  }
}

void JsonInput::put_escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (;;) {
    const std::size_t plain = plain_length(text);
    text_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte == '"' || byte == '\\') {
      text_ += '\\';
      text_ += text.front();
      text.remove_prefix(1);
    } else if (byte < 0x20U) {
      text_ += "\\u00";
      text_ += kHex[byte >> 4U];
      text_ += kHex[byte & 15U];
      text.remove_prefix(1);
    } else {
      const std::size_t length = utf8_length(text);
      text_ += length == 0 ? kReplacementCharacter : text.substr(0, length);
      text.remove_prefix(length == 0 ? 1 : length);
    }
  }
}

}  // namespace secbeat::engine
