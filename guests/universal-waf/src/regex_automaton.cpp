#include "regex_automaton.hpp"

namespace secbeat::waf {
namespace {

using PartKind = RegexPart::Kind;

constexpr StringView kTooLarge =
    "the regular expression is too large: counted repetitions of wide classes and many alternatives are what costs; "
    "make it "
    "shorter, or several rules of it";

bool is_word(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

ByteSet word_set() {
  ByteSet set;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (is_word(static_cast<uint8_t>(byte))) set.add(static_cast<uint8_t>(byte));
  }
  return set;
}

}  // namespace

uint16_t Determinizer::part(PartKind kind, uint16_t next, uint16_t other) {
  if (part_count_ == kMostParts) return fail(kTooLarge), uint16_t{0};
  room_.parts[part_count_] = {kind, 0, next, other};
  return static_cast<uint16_t>(part_count_++);
}

uint16_t Determinizer::set_number(const ByteSet& set) {
  for (uint32_t i = 0; i < set_count_; ++i) {
    if (room_.sets[i] == set) return static_cast<uint16_t>(i);
  }
  if (set_count_ == kMostSets) return fail(kTooLarge), uint16_t{0};
  room_.sets[set_count_] = set;
  return static_cast<uint16_t>(set_count_++);
}

// The part where a match of `node` that goes on at `next` begins.
uint16_t Determinizer::add(const RegexNode& node, uint16_t next) {
  if (failed_) return 0;
  switch (node.kind) {
    case RegexNode::Kind::kEmpty:
      return next;
    case RegexNode::Kind::kSequence:
      return add_sequence(node.first, next);
    case RegexNode::Kind::kRepeat:
      return add_repeat(node, next);
    case RegexNode::Kind::kBegin:
      return part(PartKind::kBegin, next);
    case RegexNode::Kind::kEnd:
      return part(PartKind::kEnd, next);
    case RegexNode::Kind::kWordEdge:
      return has_edges_ = true, part(PartKind::kWordEdge, next);
    case RegexNode::Kind::kNoWordEdge:
      return has_edges_ = true, part(PartKind::kNoWordEdge, next);
    case RegexNode::Kind::kBytes: {
      const uint16_t made = part(PartKind::kByte, next);
      room_.parts[made].set = set_number(node.bytes);
      return made;
    }
    case RegexNode::Kind::kEither: {
      uint16_t all = add(*node.first, next);
      for (const RegexNode* one = node.first->next; one != nullptr; one = one->next)
        all = part(PartKind::kSplit, all, add(*one, next));
      return all;
    }
  }
  return next;
}

uint16_t Determinizer::add_sequence(const RegexNode* first, uint16_t next) {
  const RegexNode* last = first;
  while (last != nullptr && last->next != nullptr) last = last->next;
  for (; last != nullptr && !failed_; last = last->previous) next = add(*last, next);
  return next;
}

uint16_t Determinizer::add_repeat(const RegexNode& node, uint16_t next) {
  uint16_t begin = next;
  if (node.most == RegexNode::kNoMost) {
    begin = part(PartKind::kSplit, 0, next);
    room_.parts[begin].next = add(*node.first, begin);
  } else {
    for (uint32_t i = node.least; i < node.most && !failed_; ++i)
      begin = part(PartKind::kSplit, add(*node.first, begin), next);
  }
  for (uint32_t i = 0; i < node.least && !failed_; ++i) begin = add(*node.first, begin);
  return begin;
}

void Determinizer::split_classes(Dfa& dfa, const ByteSet& set) {
  uint16_t inside[256];
  for (uint16_t& one : inside) one = kNowhere;
  bool outside[256] = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (!set.has(static_cast<uint8_t>(byte))) outside[dfa.class_of[byte]] = true;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint8_t old = dfa.class_of[byte];
    if (!set.has(static_cast<uint8_t>(byte)) || !outside[old]) continue;
    if (inside[old] == kNowhere) inside[old] = static_cast<uint16_t>(classes_++);
    dfa.class_of[byte] = static_cast<uint8_t>(inside[old]);
  }
}

// Bytes that no set tells apart are one class.
void Determinizer::divide_bytes(Dfa& dfa) {
  classes_ = 1;
  for (uint32_t i = 0; i < set_count_; ++i) split_classes(dfa, room_.sets[i]);
  if (has_edges_) split_classes(dfa, word_set());
  for (uint32_t byte = 0; byte < 256; ++byte) example_[dfa.class_of[byte]] = static_cast<uint8_t>(byte);
  dfa.classes = ++classes_;  // and the end of the text
}

void Determinizer::spend(uint32_t steps) {
  if (budget_.steps >= steps) {
    budget_.steps -= steps;
  } else {
    budget_.steps = 0;
    fail("all regular expressions together are too large");
  }
}

// Adds the bytes, places and ends that can be reached from `from` without a byte. With `around`, places that are as
// they should be are passed; without, they are added. Parts that were seen since mark_ changed are left out.
uint32_t Determinizer::follow(uint16_t from, const Around* around, uint16_t* to, uint32_t count) {
  uint32_t depth = 0;
  room_.stack[depth++] = from;
  while (depth > 0) {
    const uint16_t at = room_.stack[--depth];
    if (room_.seen[at] == mark_) continue;
    room_.seen[at] = mark_;
    spend(1);
    const RegexPart& one = room_.parts[at];
    bool passes = false;
    switch (one.kind) {
      case PartKind::kSplit:
        room_.stack[depth++] = one.other;
        passes = true;
        break;
      case PartKind::kBegin:
        passes = around != nullptr && around->at_begin;
        break;
      case PartKind::kEnd:
        passes = around != nullptr && around->at_end;
        break;
      case PartKind::kWordEdge:
        passes = around != nullptr && around->behind_word != around->before_word;
        break;
      case PartKind::kNoWordEdge:
        passes = around != nullptr && around->behind_word == around->before_word;
        break;
      case PartKind::kByte:
      case PartKind::kMatch:
        break;
    }
    if (passes) {
      room_.stack[depth++] = one.next;
    } else if (one.kind == PartKind::kByte || one.kind == PartKind::kMatch || around == nullptr) {
      to[count++] = at;
    }
  }
  return count;
}

// Where the table leads from a state at a byte of this class.
uint16_t Determinizer::step(uint32_t number, uint32_t byte_class) {
  const RegexWorkspace::State state = room_.states[number];
  const bool at_end = byte_class == classes_ - 1;
  const uint8_t byte = at_end ? 0 : example_[byte_class];
  const Around around{state.at_begin, at_end, state.behind_word, !at_end && is_word(byte)};
  ++mark_;
  uint32_t count = 0;
  for (uint32_t i = 0; i < state.count; ++i)
    count = follow(room_.subsets[state.first + i], &around, room_.current, count);
  for (uint32_t i = 0; i < count; ++i) {
    if (room_.parts[room_.current[i]].kind == PartKind::kMatch) return Dfa::kAccept;
  }
  if (at_end) return Dfa::kDead;
  ++mark_;
  uint32_t following = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const RegexPart& one = room_.parts[room_.current[i]];
    if (one.kind == PartKind::kByte && room_.sets[one.set].has(byte))
      following = follow(one.next, nullptr, room_.following, following);
  }
  following = follow(start_, nullptr, room_.following, following);  // a match may begin anywhere
  // Behind the begin, what waits for the begin is gone.
  uint32_t left = 0;
  for (uint32_t i = 0; i < following; ++i) {
    const PartKind kind = room_.parts[room_.following[i]].kind;
    if (kind == PartKind::kMatch) return Dfa::kAccept;
    if (kind != PartKind::kBegin) room_.following[left++] = room_.following[i];
  }
  return left == 0 ? Dfa::kDead : state_of(left, has_edges_ && is_word(byte));
}

// The state of the subset in `following`, a new one where it is new.
uint16_t Determinizer::state_of(uint32_t count, bool behind_word) {
  uint16_t* const parts = room_.following;
  for (uint32_t i = 1; i < count; ++i) {  // sorted, so that equal subsets are equal
    const uint16_t one = parts[i];
    uint32_t k = i;
    for (; k > 0 && parts[k - 1] > one; --k) parts[k] = parts[k - 1];
    parts[k] = one;
    spend(i - k);
  }
  uint64_t hash = behind_word ? 1 : 2;
  for (uint32_t i = 0; i < count; ++i) hash = (hash ^ parts[i]) * 0x9E37'79B9'7F4A'7C15U;
  uint32_t slot = static_cast<uint32_t>(hash >> 40U) % kStateSlots;
  for (; room_.slots[slot] != 0; slot = (slot + 1) % kStateSlots) {
    const RegexWorkspace::State& known = room_.states[room_.slots[slot] - 1];
    if (known.count == count && known.behind_word == behind_word && !known.at_begin &&
        equal(reinterpret_cast<const char*>(room_.subsets + known.first), reinterpret_cast<const char*>(parts),
              count * 2)) {
      return static_cast<uint16_t>(room_.slots[slot] - 1);
    }
  }
  if (state_count_ == kMostStates || subset_size_ + count > kSubsetRoom || (state_count_ + 1) * classes_ > kTableRoom) {
    return fail(kTooLarge), Dfa::kDead;
  }
  room_.states[state_count_] = {subset_size_, static_cast<uint16_t>(count), behind_word, false};
  for (uint32_t i = 0; i < count; ++i) room_.subsets[subset_size_++] = parts[i];
  room_.slots[slot] = static_cast<uint16_t>(state_count_ + 1);
  return static_cast<uint16_t>(state_count_++);
}

bool Determinizer::explore() {
  ++mark_;
  const uint32_t count = follow(start_, nullptr, room_.following, 0);
  state_of(count, false);
  room_.states[0].at_begin = true;
  for (uint32_t i = 0; i < kStateSlots; ++i) room_.slots[i] = 0;  // the start is like no other
  for (uint32_t state = 0; state < state_count_ && !failed_; ++state) {
    for (uint32_t one = 0; one < classes_ && !failed_; ++one) room_.table[state * classes_ + one] = step(state, one);
  }
  return !failed_;
}

bool Determinizer::build(const RegexNode& tree, Dfa& dfa, Arena& kept, RegexFault& fault) {
  for (uint32_t& seen : room_.seen) seen = 0;
  for (uint16_t& slot : room_.slots) slot = 0;
  const uint16_t match = part(PartKind::kMatch, 0);
  start_ = add(tree, match);
  if (!failed_) divide_bytes(dfa);
  bool fine = !failed_ && explore();
  const uint32_t entries = state_count_ * classes_;
  if (fine && entries * 2 > budget_.table_bytes) fine = fail("all regular expressions together are too large");
  if (!fine) return fault = {0, what_, true}, false;
  budget_.table_bytes -= entries * 2;
  auto* const table = kept.take_array<uint16_t>(entries);
  for (uint32_t i = 0; i < entries; ++i) table[i] = room_.table[i];
  dfa.next = table;
  return true;
}

}  // namespace secbeat::waf
