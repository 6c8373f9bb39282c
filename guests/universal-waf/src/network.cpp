#include "network.hpp"

namespace secbeat::waf {
namespace {

// A decimal number without leading zeros, up to `most`, taken off the front of `text`.
bool take_number(StringView& text, uint32_t most, uint32_t& number) {
  size_t digits = 0;
  number = 0;
  while (digits < text.size() && digits < 4 && text[digits] >= '0' && text[digits] <= '9') {
    number = number * 10 + static_cast<uint32_t>(text[digits++] - '0');
  }
  const bool leading_zero = digits > 1 && text[0] == '0';
  text = text.from(digits);
  return digits > 0 && !leading_zero && number <= most;
}

bool parse_ipv4(StringView text, uint8_t* to) {
  for (int i = 0; i < 4; ++i) {
    uint32_t number = 0;
    if (i > 0) {
      if (!text.starts_with(".")) return false;
      text = text.from(1);
    }
    if (!take_number(text, 255, number)) return false;
    to[i] = static_cast<uint8_t>(number);
  }
  return text.empty();
}

bool take_group(StringView& text, uint32_t& group) {
  size_t digits = 0;
  group = 0;
  while (digits < text.size() && digits < 5 && guest::hex_digit(text[digits]) >= 0) {
    group = group * 16 + static_cast<uint32_t>(guest::hex_digit(text[digits++]));
  }
  text = text.from(digits);
  return digits > 0 && digits < 5;
}

// The groups before or behind a "::"; -1 where they are none.
int parse_groups(StringView text, uint8_t (&to)[16], bool ipv4_may_end_it) {
  int size = 0;
  while (!text.empty()) {
    uint8_t ipv4[4];
    if (ipv4_may_end_it && size <= 12 && parse_ipv4(text, ipv4)) {
      for (const uint8_t byte : ipv4) to[size++] = byte;
      return size;
    }
    uint32_t group = 0;
    if (size > 14 || !take_group(text, group)) return -1;
    to[size++] = static_cast<uint8_t>(group >> 8U);
    to[size++] = static_cast<uint8_t>(group & 0xFFU);
    if (text.empty()) break;
    if (text[0] != ':' || text.size() == 1) return -1;
    text = text.from(1);
  }
  return size;
}

size_t find_gap(StringView text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == ':' && text[i + 1] == ':') return i;
  }
  return StringView::kNotFound;
}

bool parse_ipv6(StringView text, uint8_t (&address)[16]) {
  uint8_t left[16] = {};
  uint8_t right[16] = {};
  const size_t gap = find_gap(text);
  if (gap == StringView::kNotFound) {
    if (parse_groups(text, left, true) != 16) return false;
    __builtin_memcpy(address, left, sizeof left);
    return true;
  }
  const int before = parse_groups(text.first(gap), left, false);
  const int behind = parse_groups(text.from(gap + 2), right, true);
  if (before < 0 || behind < 0 || before + behind > 14) return false;
  for (int i = 0; i < 16; ++i) address[i] = 0;
  for (int i = 0; i < before; ++i) address[i] = left[i];
  for (int i = 0; i < behind; ++i) address[16 - behind + i] = right[i];
  return true;
}

}  // namespace

bool is_ipv4(const uint8_t (&address)[16]) {
  for (int i = 0; i < 10; ++i) {
    if (address[i] != 0) return false;
  }
  return address[10] == 0xFF && address[11] == 0xFF;
}

bool parse_address(StringView text, uint8_t (&address)[16]) {
  uint8_t ipv4[4];
  if (!parse_ipv4(text, ipv4)) return parse_ipv6(text, address);
  for (int i = 0; i < 10; ++i) address[i] = 0;
  address[10] = address[11] = 0xFF;
  for (int i = 0; i < 4; ++i) address[12 + i] = ipv4[i];
  return true;
}

void cut_address(uint8_t (&address)[16], uint32_t bits) {
  for (uint32_t i = 0; i < 16; ++i) {
    const uint32_t kept_bits = bits > i * 8 ? bits - i * 8 : 0;
    if (kept_bits < 8) address[i] &= static_cast<uint8_t>(0xFF00U >> kept_bits);
  }
}

bool parse_network(StringView text, Network& network) {
  const size_t slash = text.find('/');
  const StringView address = text.first(slash);
  if (!parse_address(address, network.address)) return false;
  const bool ipv4 = address.find(':') == StringView::kNotFound;
  const uint32_t most = ipv4 ? 32 : 128;
  uint32_t bits = most;
  if (slash != StringView::kNotFound) {
    StringView rest = text.from(slash + 1);
    if (!take_number(rest, most, bits) || !rest.empty()) return false;
  }
  network.bits = static_cast<uint8_t>(ipv4 ? bits + kIpv4Prefix : bits);
  cut_address(network.address, network.bits);
  return true;
}

}  // namespace secbeat::waf
