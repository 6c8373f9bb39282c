// The syntax of regular expressions: from text to a tree.
#pragma once

#include "memory.hpp"
#include "regex.hpp"
#include "text.hpp"

namespace secbeat::waf {

struct ByteSet {
  uint64_t words[4] = {};
  void add(uint8_t byte) { words[byte / 64] |= uint64_t{1} << (byte % 64); }
  void add_range(uint8_t first, uint8_t last) {
    for (uint32_t byte = first; byte <= last; ++byte) add(static_cast<uint8_t>(byte));
  }
  void add_all(const ByteSet& other) {
    for (int i = 0; i < 4; ++i) words[i] |= other.words[i];
  }
  void negate() {
    for (uint64_t& word : words) word = ~word;
  }
  [[nodiscard]] bool has(uint8_t byte) const { return (words[byte / 64] >> (byte % 64) & 1U) != 0; }
  [[nodiscard]] bool operator==(const ByteSet& other) const {
    return words[0] == other.words[0] && words[1] == other.words[1] && words[2] == other.words[2] &&
           words[3] == other.words[3];
  }
};

struct RegexNode {
  enum class Kind : uint8_t { kEmpty, kBytes, kSequence, kEither, kRepeat, kBegin, kEnd, kWordEdge, kNoWordEdge };
  static constexpr uint32_t kNoMost = ~uint32_t{0};
  Kind kind = Kind::kEmpty;
  ByteSet bytes;       // one byte of these
  uint32_t least = 0;  // of a repetition
  uint32_t most = 0;
  RegexNode* first = nullptr;  // parts, alternatives, or what is repeated
  RegexNode* next = nullptr;
  RegexNode* previous = nullptr;  // of a sequence's parts
};

// Null with a fault. Sets hold both cases of a letter.
RegexNode* parse_regex(StringView text, Arena& arena, RegexFault& fault);

// The one byte that is in the set, upper-case letters aside; -1 where there are more.
int only_byte(const ByteSet& bytes);

// Texts of which each match holds at least one, at most 16, in `kept`. Nothing where nobody knows any.
void find_regex_literals(const RegexNode& node, Arena& kept, Dfa& dfa);

}  // namespace secbeat::waf
