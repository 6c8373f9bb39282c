// Finds the rules that may hold: one pass over each text, for the literals of all rules at once.
//
// Each literal is represented by a window of it, of 8, 4, 3, 2 or 1 bytes, chosen to be unlike those of other rules.
// The four bytes at every place of a text are looked up in a bitmap of hashes, which says "no" at nearly all places;
// where it says "perhaps" the windows that begin there are looked up exactly, and what is left of the literal is
// compared. A window whose rules are all noted is not looked at again. So a pass costs a constant for each byte,
// whatever the text, and hardly more for ten thousand rules than for a hundred: the bitmap stays in the processor's
// cache.
#pragma once

#include "guards.hpp"
#include "memory.hpp"
#include "rules.hpp"
#include "text.hpp"

namespace secbeat::waf {

class LiteralIndex {
 public:
  // To be filled: add() for each literal of a guard, then build() once.
  void add(const GuardLiteral& literal, uint32_t rule, Arena& temporary) { added_.push(temporary, {literal, rule}); }
  void build(Arena& kept, Arena& temporary);

  // A new request: what was seen in the last one is forgotten.
  void begin();
  // Notes in `rules` each rule of which a literal stands in `text`, whose first `known` bytes were passed already.
  // REQUIRES: kPadding readable bytes behind the text.
  void pass(StringView text, Scopes scopes, size_t known, BitSet& rules);

  [[nodiscard]] Scopes scopes() const { return scopes_; }  // of all literals
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Added {
    GuardLiteral literal;
    uint32_t rule;
  };
  // One literal of one rule.
  struct Entry {
    const char* text;
    uint16_t size;
    uint16_t window_at;
    Scopes scopes;
    uint32_t rule;
    uint32_t next;  // of the same window; index + 1
  };
  struct Window {
    uint64_t bytes;
    uint32_t size;
    uint32_t first;       // entry, index + 1
    uint32_t done_epoch;  // in which all its rules were noted
  };

  void count_windows(Arena& temporary);
  [[nodiscard]] uint32_t cost_of(const char* window, size_t size) const;
  [[nodiscard]] size_t best_window(StringView literal, size_t size) const;
  void insert(const Added& added, Arena& kept);
  uint32_t window_of(uint64_t bytes, uint32_t size, Arena& kept);
  void set_bits(const char* window, uint32_t size);

  template <bool kShort>
  void pass_over(StringView text, Scopes scopes, size_t from, BitSet& rules);
  template <bool kShort>
  [[nodiscard]] bool may_begin(const char* at) const;
  void look_up(StringView text, size_t at, Scopes scopes, BitSet& rules);
  void look_up_window(StringView text, size_t at, uint32_t size, Scopes scopes, BitSet& rules);
  static bool stands_at(const Entry& entry, StringView text, size_t at);

  Array<Added> added_;
  Array<Entry> entries_;
  Array<Window> windows_;
  Scopes scopes_ = 0;
  uint32_t epoch_ = 0;
  uint32_t* slots_ = nullptr;  // of windows, index + 1
  uint32_t slot_shift_ = 0;
  uint8_t* bits_ = nullptr;  // by the hash of four bytes
  uint32_t bit_shift_ = 0;
  uint8_t* short_bits_ = nullptr;  // by two bytes as they are
  bool has_size_[9] = {};
  uint8_t* counts_ = nullptr;  // while building: how often a window is in the literals
};

}  // namespace secbeat::waf
