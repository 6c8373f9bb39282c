// Bytes as rules compare them: upper-case ASCII letters are lower ones, everywhere, so that nothing else has to ask.
#pragma once

#include <secbeat/guest.hpp>

#include "memory.hpp"

namespace secbeat::waf {

using guest::StringView;

// Behind each text that is searched lie so many readable bytes.
inline constexpr size_t kPadding = 16;

using Bytes16 [[gnu::vector_size(16)]] = uint8_t;
using Signed16 [[gnu::vector_size(16)]] = int8_t;
using Words2 [[gnu::vector_size(16)]] = uint64_t;

inline uint32_t load32(const char* at) {
  uint32_t value = 0;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
inline uint64_t load64(const char* at) {
  uint64_t value = 0;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
inline Bytes16 load16x8(const char* at) {
  Bytes16 value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
inline bool any(Bytes16 lanes) {
  const Words2 words = reinterpret_cast<Words2>(lanes);
  return (words[0] | words[1]) != 0;
}

inline bool equal(const char* a, const char* b, size_t size) {
  for (; size >= 8; size -= 8, a += 8, b += 8) {
    if (load64(a) != load64(b)) return false;
  }
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}
inline bool equal(StringView a, StringView b) { return a.size() == b.size() && equal(a.data(), b.data(), a.size()); }
inline bool starts_with(StringView text, StringView start) {
  return start.size() <= text.size() && equal(text.data(), start.data(), start.size());
}
inline bool ends_with(StringView text, StringView end) {
  return end.size() <= text.size() && equal(text.data() + text.size() - end.size(), end.data(), end.size());
}

// Writes the lower-case copy.
void fold(const char* from, size_t size, char* to);
// A lower-case copy in `arena` with padding behind it; empty where the arena is full.
StringView folded(StringView text, Arena& arena);
StringView kept(StringView text, Arena& arena);

// Where `wanted` begins in `text` at or behind `from`, else StringView::kNotFound. Time is linear in both sizes.
// REQUIRES: wanted is not empty and has at most kLongestPattern bytes.
inline constexpr size_t kLongestPattern = 2048;
size_t find(StringView text, StringView wanted, size_t from = 0);

bool has_byte(StringView text, char wanted);

// %XX once; a '%' without two hexadecimal digits stands for itself. The result is lower case again.
// Empty where the arena is full.
StringView percent_decoded(StringView folded_text, Arena& arena);

uint64_t hash_of(StringView text);

}  // namespace secbeat::waf
