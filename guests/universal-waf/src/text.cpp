#include "text.hpp"

namespace secbeat::waf {
namespace {

// For texts that repeat themselves so much that the quick search would compare the same bytes again and again.
// Knuth, Morris and Pratt: each byte of the text is looked at twice at most.
size_t find_in_repetitions(StringView text, StringView wanted, size_t from) {
  static constinit uint16_t borders[kLongestPattern];
  borders[0] = 0;
  for (size_t i = 1, length = 0; i < wanted.size();) {
    if (wanted[i] == wanted[length]) {
      borders[i++] = static_cast<uint16_t>(++length);
    } else if (length > 0) {
      length = borders[length - 1];
    } else {
      borders[i++] = 0;
    }
  }
  for (size_t i = from, length = 0; i < text.size();) {
    if (text[i] == wanted[length]) {
      ++i;
      if (++length == wanted.size()) return i - length;
    } else if (length > 0) {
      length = borders[length - 1];
    } else {
      ++i;
    }
  }
  return StringView::kNotFound;
}

size_t common_prefix(const char* a, const char* b, size_t size) {
  size_t i = 0;
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

Bytes16 everywhere(char c) { return Bytes16{} + static_cast<uint8_t>(c); }

}  // namespace

void fold(const char* from, size_t size, char* to) {
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const Bytes16 bytes = load16x8(from + i);
    const Bytes16 upper = reinterpret_cast<Bytes16>((bytes - uint8_t{'A'}) < uint8_t{26});
    const Bytes16 lower = bytes | (upper & uint8_t{0x20});
    __builtin_memcpy(to + i, &lower, sizeof lower);
  }
  for (; i < size; ++i) to[i] = guest::ascii_lower(from[i]);
}

StringView folded(StringView text, Arena& arena) {
  char* const place = arena.take_array<char>(text.size() + kPadding);
  if (place == nullptr) return {};
  fold(text.data(), text.size(), place);
  const Bytes16 zero{};
  __builtin_memcpy(place + text.size(), &zero, sizeof zero);
  return {place, text.size()};
}

StringView kept(StringView text, Arena& arena) {
  char* const place = arena.take_array<char>(text.size() + kPadding);
  if (place == nullptr) return {};
  for (size_t i = 0; i < text.size(); ++i) place[i] = text[i];
  const Bytes16 zero{};
  __builtin_memcpy(place + text.size(), &zero, sizeof zero);
  return {place, text.size()};
}

size_t find(StringView text, StringView wanted, size_t from) {
  const size_t size = wanted.size();
  if (from > text.size() || text.size() - from < size) return StringView::kNotFound;
  const size_t last_start = text.size() - size;
  const Bytes16 first = everywhere(wanted[0]);
  const Bytes16 last = everywhere(wanted[size - 1]);
  size_t compared = 0;
  const size_t too_much = 64 + 2 * (text.size() - from);
  for (size_t i = from; i <= last_start;) {
    if (i + 16 <= last_start + 1) {
      const auto same = reinterpret_cast<Bytes16>((load16x8(text.data() + i) == first) &
                                                  (load16x8(text.data() + i + size - 1) == last));
      if (!any(same)) {
        i += 16;
        continue;
      }
    }
    const size_t block_end = i + 16 <= last_start + 1 ? i + 16 : last_start + 1;
    for (; i < block_end; ++i) {
      const size_t same = common_prefix(text.data() + i, wanted.data(), size);
      if (same == size) return i;
      compared += same;
    }
    if (compared > too_much) return find_in_repetitions(text, wanted, i);
  }
  return StringView::kNotFound;
}

bool has_byte(StringView text, char wanted) {
  const Bytes16 all = everywhere(wanted);
  size_t i = 0;
  for (; i + 16 <= text.size(); i += 16) {
    if (any(reinterpret_cast<Bytes16>(load16x8(text.data() + i) == all))) return true;
  }
  return text.from(i).find(wanted) != StringView::kNotFound;
}

StringView percent_decoded(StringView folded_text, Arena& arena) {
  char* const place = arena.take_array<char>(folded_text.size() + kPadding);
  if (place == nullptr) return {};
  char* out = place;
  for (StringView rest = folded_text; !rest.empty();) *out++ = guest::ascii_lower(guest::take_decoded(rest));
  const Bytes16 zero{};
  __builtin_memcpy(out, &zero, sizeof zero);
  arena.trim(out + kPadding);
  return {place, static_cast<size_t>(out - place)};
}

uint64_t hash_of(StringView text) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01b3U;
  return hash ^ (hash >> 29U);
}

}  // namespace secbeat::waf
