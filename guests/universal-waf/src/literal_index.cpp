#include "literal_index.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kCounts = 1U << 16U;
constexpr size_t kLooked = 96;  // a window is chosen among so many bytes of a literal

constexpr uint32_t kWindowSizes[] = {8, 4, 3, 2, 1};

uint32_t hash32(uint32_t bytes) { return bytes * 0x9E37'79B1U; }
uint64_t hash64(uint64_t bytes) {
  bytes *= 0x9E37'79B9'7F4A'7C15U;
  return bytes ^ (bytes >> 32U);
}

uint64_t masked(uint64_t bytes, uint32_t size) { return size >= 8 ? bytes : bytes & ((uint64_t{1} << (size * 8)) - 1); }

uint64_t load_up_to_8(const char* at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

uint32_t window_size(size_t literal) { return literal >= 8 ? 8 : literal >= 4 ? 4 : static_cast<uint32_t>(literal); }

// How common a byte is in requests that harm nobody.
uint32_t commonness(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return 3;
  constexpr StringView kCommon = "/=&-. ;,:_\"";
  return kCommon.find(c) != StringView::kNotFound ? 2 : 0;
}

}  // namespace

void LiteralIndex::build(Arena& kept, Arena& temporary) {
  const uint32_t count = added_.size();
  uint32_t bit_count = 13;  // of which hash bits are used: 1 KiB at least
  while (bit_count < 20 && (1U << bit_count) < count * 64) ++bit_count;
  bit_shift_ = 32 - bit_count;
  bits_ = kept.take_array<uint8_t>((1U << bit_count) / 8);
  __builtin_memset(bits_, 0, (1U << bit_count) / 8);
  constexpr size_t kShortBytes = 65536 / 8;
  short_bits_ = kept.take_array<uint8_t>(kShortBytes);
  __builtin_memset(short_bits_, 0, kShortBytes);
  uint32_t slot_count = 4;
  while ((1U << slot_count) < count * 2) ++slot_count;
  slot_shift_ = 64 - slot_count;
  slots_ = kept.take_array<uint32_t>(1U << slot_count);
  for (uint32_t i = 0; i < 1U << slot_count; ++i) slots_[i] = 0;
  count_windows(temporary);
  for (const Added& added : added_) insert(added, kept);
  counts_ = nullptr;
  added_ = {};
}

void LiteralIndex::count_windows(Arena& temporary) {
  counts_ = temporary.take_array<uint8_t>(kCounts);
  __builtin_memset(counts_, 0, kCounts);
  for (const Added& added : added_) {
    const StringView text = added.literal.text.first(kLooked);
    const uint32_t size = window_size(text.size());
    for (size_t i = 0; i + size <= text.size(); ++i) {
      uint8_t& times = counts_[hash64(load_up_to_8(text.data() + i, size)) % kCounts];
      if (times < 255) ++times;
    }
  }
}

uint32_t LiteralIndex::cost_of(const char* window, size_t size) const {
  uint32_t common = 0;
  for (size_t i = 0; i < size; ++i) common += commonness(window[i]);
  return counts_[hash64(load_up_to_8(window, size)) % kCounts] * 16U + common;
}

size_t LiteralIndex::best_window(StringView literal, size_t size) const {
  size_t best = 0;
  uint32_t best_cost = ~uint32_t{0};
  for (size_t i = 0; i + size <= literal.size() && i + size <= kLooked; ++i) {
    const uint32_t cost = cost_of(literal.data() + i, size);
    if (cost < best_cost) {
      best = i;
      best_cost = cost;
    }
  }
  return best;
}

void LiteralIndex::insert(const Added& added, Arena& kept) {
  const StringView text = added.literal.text;
  const uint32_t size = window_size(text.size());
  const size_t at = best_window(text, size);
  scopes_ |= added.literal.scopes;
  has_size_[size] = true;
  set_bits(text.data() + at, size);
  const uint32_t window = window_of(load_up_to_8(text.data() + at, size), size, kept);
  entries_.push(kept, {text.data(), static_cast<uint16_t>(text.size()), static_cast<uint16_t>(at), added.literal.scopes,
                       added.rule, windows_[window].first});
  windows_[window].first = entries_.size();
}

uint32_t LiteralIndex::window_of(uint64_t bytes, uint32_t size, Arena& kept) {
  const uint32_t mask = (1U << (64 - slot_shift_)) - 1;
  uint32_t slot = static_cast<uint32_t>(hash64(bytes + size) >> slot_shift_);
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Window& window = windows_[slots_[slot] - 1];
    if (window.bytes == bytes && window.size == size) return slots_[slot] - 1;
  }
  windows_.push(kept, {bytes, size, 0, 0});
  slots_[slot] = windows_.size();
  return windows_.size() - 1;
}

void LiteralIndex::set_bits(const char* window, uint32_t size) {
  if (size >= 4) {
    const uint32_t bit = hash32(static_cast<uint32_t>(load_up_to_8(window, 4))) >> bit_shift_;
    bits_[bit / 8] = static_cast<uint8_t>(bits_[bit / 8] | 1U << (bit % 8));
    return;
  }
  const auto first = static_cast<unsigned char>(window[0]);
  for (uint32_t second = 0; second < 256; ++second) {
    if (size > 1 && second != static_cast<unsigned char>(window[1])) continue;
    const uint32_t bit = first | second << 8U;
    short_bits_[bit / 8] = static_cast<uint8_t>(short_bits_[bit / 8] | 1U << (bit % 8));
  }
}

void LiteralIndex::begin() {
  if (++epoch_ != 0) return;
  for (Window& window : windows_) window.done_epoch = 0;
  epoch_ = 1;
}

void LiteralIndex::pass(StringView text, Scopes scopes, size_t known, BitSet& rules) {
  if ((scopes & scopes_) == 0) return;
  // A literal that begins earlier was compared with the same bytes in the text that was passed.
  const size_t from = known > kLooked ? known - kLooked : 0;
  if (has_size_[1] || has_size_[2] || has_size_[3]) {
    pass_over<true>(text, scopes, from, rules);
  } else {
    pass_over<false>(text, scopes, from, rules);
  }
}

template <bool kShort>
bool LiteralIndex::may_begin(const char* at) const {
  const uint32_t bytes = load32(at);
  const uint32_t bit = hash32(bytes) >> bit_shift_;
  // NOLINTNEXTLINE(misc-const-correctness): not where kShort adds to it
  uint32_t found = static_cast<uint32_t>(bits_[bit >> 3U]) >> (bit & 7U);
  if constexpr (kShort) {
    const uint32_t pair = bytes & 0xFFFFU;
    found |= static_cast<uint32_t>(short_bits_[pair >> 3U]) >> (pair & 7U);
  }
  return (found & 1U) != 0;
}

template <bool kShort>
void LiteralIndex::pass_over(StringView text, Scopes scopes, size_t from, BitSet& rules) {
  const char* const data = text.data();
  size_t i = from;
  for (; i + 4 <= text.size(); i += 4) {  // behind the text lies padding
    const bool a = may_begin<kShort>(data + i);
    const bool b = may_begin<kShort>(data + i + 1);
    const bool c = may_begin<kShort>(data + i + 2);
    const bool d = may_begin<kShort>(data + i + 3);
    if (!(a | b | c | d)) continue;
    if (a) look_up(text, i, scopes, rules);
    if (b) look_up(text, i + 1, scopes, rules);
    if (c) look_up(text, i + 2, scopes, rules);
    if (d) look_up(text, i + 3, scopes, rules);
  }
  for (; i < text.size(); ++i) {
    if (may_begin<kShort>(data + i)) look_up(text, i, scopes, rules);
  }
}

void LiteralIndex::look_up(StringView text, size_t at, Scopes scopes, BitSet& rules) {
  for (const uint32_t size : kWindowSizes) {
    if (has_size_[size]) look_up_window(text, at, size, scopes, rules);
  }
}

void LiteralIndex::look_up_window(StringView text, size_t at, uint32_t size, Scopes scopes, BitSet& rules) {
  if (text.size() - at < size) return;
  const uint64_t bytes = masked(load64(text.data() + at), size);
  const uint32_t mask = (1U << (64 - slot_shift_)) - 1;
  uint32_t slot = static_cast<uint32_t>(hash64(bytes + size) >> slot_shift_);
  for (;; slot = (slot + 1) & mask) {
    if (slots_[slot] == 0) return;
    const Window& window = windows_[slots_[slot] - 1];
    if (window.bytes == bytes && window.size == size) break;
  }
  Window& window = windows_[slots_[slot] - 1];
  if (window.done_epoch == epoch_) return;
  bool done = true;
  for (uint32_t next = window.first; next != 0;) {
    const Entry& entry = entries_[next - 1];
    next = entry.next;
    if (rules.has(entry.rule)) continue;
    if ((entry.scopes & scopes) != 0 && stands_at(entry, text, at)) {
      rules.add(entry.rule);
    } else {
      done = false;
    }
  }
  if (done) window.done_epoch = epoch_;
}

// Whether the literal is there as a whole. Only its beginning counts, so that this takes constant time.
bool LiteralIndex::stands_at(const Entry& entry, StringView text, size_t at) {
  if (at < entry.window_at) return false;
  const size_t start = at - entry.window_at;
  if (text.size() - start < entry.size) return false;
  const size_t compared = entry.size < kLooked ? entry.size : kLooked;
  return equal(text.data() + start, entry.text, compared);
}

}  // namespace secbeat::waf
