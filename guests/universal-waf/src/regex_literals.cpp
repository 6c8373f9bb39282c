// Which texts every match of a regular expression holds, so that the pass over a request finds where it may match.
#include "regex_syntax.hpp"

namespace secbeat::waf {
namespace {

using NodeKind = RegexNode::Kind;

constexpr uint32_t kMost = 16;  // as many as a Dfa has room for

struct Literals {
  StringView texts[kMost] = {};
  uint32_t count = 0;  // 0: none is known

  [[nodiscard]] size_t shortest() const {
    size_t size = count == 0 ? 0 : ~size_t{0};
    for (uint32_t i = 0; i < count; ++i) size = texts[i].size() < size ? texts[i].size() : size;
    return size;
  }
};

void keep_better(Literals& best, const Literals& other) {
  if (other.shortest() > best.shortest()) best = other;
}

// Bytes in a row that leave no choice.
class Run {
 public:
  explicit Run(Arena& arena) : arena_(arena) {}
  void add(int byte) { text_.push(arena_, static_cast<char>(static_cast<unsigned char>(byte))); }
  void end(Literals& best) {
    if (!text_.empty()) {
      Literals one;
      one.count = 1;
      one.texts[0] = kept({text_.begin(), text_.size()}, arena_);
      keep_better(best, one);
    }
    text_ = {};
  }

 private:
  Arena& arena_;
  Array<char> text_;
};

Literals literals_of(const RegexNode& node, Arena& arena);

void add_parts(const RegexNode& sequence, Arena& arena, Run& run, Literals& best) {
  for (const RegexNode* part = sequence.first; part != nullptr; part = part->next) {
    const int byte = part->kind == NodeKind::kBytes ? only_byte(part->bytes) : -1;
    if (byte >= 0) {
      run.add(byte);
    } else if (part->kind == NodeKind::kSequence) {
      add_parts(*part, arena, run, best);
    } else if (part->kind != NodeKind::kEmpty) {
      run.end(best);
      keep_better(best, literals_of(*part, arena));
    }
  }
}

Literals of_alternatives(const RegexNode& either, Arena& arena) {
  Literals all;
  for (const RegexNode* one = either.first; one != nullptr; one = one->next) {
    const Literals some = literals_of(*one, arena);
    if (some.count == 0 || all.count + some.count > kMost) return Literals();
    for (uint32_t i = 0; i < some.count; ++i) all.texts[all.count++] = some.texts[i];
  }
  return all;
}

Literals literals_of(const RegexNode& node, Arena& arena) {
  Literals best;
  Run run(arena);
  switch (node.kind) {
    case NodeKind::kBytes:
      if (const int byte = only_byte(node.bytes); byte >= 0) run.add(byte), run.end(best);
      return best;
    case NodeKind::kSequence:
      add_parts(node, arena, run, best);
      run.end(best);
      return best;
    case NodeKind::kEither:
      return of_alternatives(node, arena);
    case NodeKind::kRepeat:
      return node.least > 0 ? literals_of(*node.first, arena) : best;
    default:
      return best;
  }
}

}  // namespace

void find_regex_literals(const RegexNode& node, Arena& kept, Dfa& dfa) {
  const Literals found = literals_of(node, kept);
  for (uint32_t i = 0; i < found.count; ++i) dfa.literals[i] = found.texts[i];
  dfa.literal_count = found.count;
}

}  // namespace secbeat::waf
