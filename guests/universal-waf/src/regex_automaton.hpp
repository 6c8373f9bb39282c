// From the tree of a regular expression to its table, by way of an automaton that is in several states at once
// (Thompson's construction, then the subsets of its states).
#pragma once

#include "memory.hpp"
#include "regex.hpp"
#include "regex_syntax.hpp"

namespace secbeat::waf {

inline constexpr uint32_t kMostParts = 2000;      // states of the first automaton
inline constexpr uint32_t kMostSets = 256;        // different sets of bytes
inline constexpr uint32_t kMostStates = 3000;     // of the table
inline constexpr uint32_t kSubsetRoom = 200'000;  // of all subsets together
inline constexpr uint32_t kTableRoom = 128'000;   // entries
inline constexpr uint32_t kStateSlots = 8192;

// One state of the first automaton.
struct RegexPart {
  enum class Kind : uint8_t { kByte, kSplit, kBegin, kEnd, kWordEdge, kNoWordEdge, kMatch };
  Kind kind = Kind::kMatch;
  uint16_t set = 0;  // of a byte
  uint16_t next = 0;
  uint16_t other = 0;  // of a split
};

// Room for building one table after the other.
struct RegexWorkspace {
  RegexPart parts[kMostParts];
  ByteSet sets[kMostSets];
  uint16_t subsets[kSubsetRoom];
  struct State {
    uint32_t first;  // in subsets
    uint16_t count;
    bool behind_word;
    bool at_begin;
  };
  State states[kMostStates];
  uint16_t slots[kStateSlots];  // state + 1
  uint16_t table[kTableRoom];
  uint16_t stack[kMostParts * 2];
  uint32_t seen[kMostParts];
  uint16_t current[kMostParts];
  uint16_t following[kMostParts];
};

class Determinizer {
 public:
  Determinizer(RegexWorkspace& room, RegexBudget& budget) : room_(room), budget_(budget) {}

  bool build(const RegexNode& tree, Dfa& dfa, Arena& kept, RegexFault& fault);

 private:
  // What stands around a place between two bytes.
  struct Around {
    bool at_begin;
    bool at_end;
    bool behind_word;
    bool before_word;
  };
  static constexpr uint16_t kNowhere = 0xFFFF;

  uint16_t part(RegexPart::Kind kind, uint16_t next, uint16_t other = 0);
  uint16_t add(const RegexNode& node, uint16_t next);
  uint16_t add_sequence(const RegexNode* first, uint16_t next);
  uint16_t add_repeat(const RegexNode& node, uint16_t next);
  uint16_t set_number(const ByteSet& set);

  void divide_bytes(Dfa& dfa);
  void split_classes(Dfa& dfa, const ByteSet& set);

  uint32_t follow(uint16_t from, const Around* around, uint16_t* to, uint32_t count);
  uint16_t step(uint32_t state, uint32_t byte_class);
  uint16_t state_of(uint32_t count, bool behind_word);
  bool explore();
  bool fail(StringView what) { return failed_ = true, what_ = what, false; }
  void spend(uint32_t steps);

  RegexWorkspace& room_;
  RegexBudget& budget_;
  uint32_t part_count_ = 0;
  uint32_t set_count_ = 0;
  uint32_t state_count_ = 0;
  uint32_t subset_size_ = 0;
  uint32_t classes_ = 0;
  uint8_t example_[256] = {};  // a byte of each class
  uint32_t mark_ = 0;
  uint16_t start_ = 0;
  bool has_edges_ = false;
  bool failed_ = false;
  StringView what_;
};

}  // namespace secbeat::waf
