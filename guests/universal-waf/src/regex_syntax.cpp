#include "regex_syntax.hpp"

#include "unicode.hpp"

namespace secbeat::waf {
namespace {

using NodeKind = RegexNode::Kind;

constexpr uint32_t kDeepest = 50;
constexpr uint32_t kMostRepetitions = 1000;

struct NamedSet {
  StringView name;
  const char* ranges;  // pairs of first and last
};
constexpr NamedSet kNamedSets[] = {{"alnum", "09azAZ"},   {"alpha", "azAZ"},    {"digit", "09"},
                                   {"lower", "azAZ"},     {"upper", "azAZ"},    {"space", "\t\r  "},
                                   {"punct", "!/:@[`{~"}, {"xdigit", "09afAF"}, {"word", "09azAZ__"}};

ByteSet set_of(const char* ranges) {
  ByteSet set;
  for (; *ranges != '\0'; ranges += 2) set.add_range(static_cast<uint8_t>(ranges[0]), static_cast<uint8_t>(ranges[1]));
  return set;
}

// Both cases of each letter that is in it.
void close_over_case(ByteSet& set) {
  for (uint8_t lower = 'a'; lower <= 'z'; ++lower) {
    const auto upper = static_cast<uint8_t>(lower - ('a' - 'A'));
    if (set.has(lower) || set.has(upper)) set.add(lower), set.add(upper);
  }
}

// \d, \w, \s and what they exclude.
bool class_escape(char c, ByteSet& set) {
  switch (guest::ascii_lower(c)) {
    case 'd':
      set = set_of("09");
      break;
    case 'w':
      set = set_of("09azAZ__");
      break;
    case 's':
      set = set_of("\t\n\f\r  ");
      break;
    default:
      return false;
  }
  if (c < 'a') set.negate();
  return true;
}

bool is_punctuation(char c) { return set_of("!/:@[`{~").has(static_cast<uint8_t>(c)); }

class Parser {
 public:
  Parser(StringView text, Arena& arena, RegexFault& fault) : text_(text), arena_(arena), fault_(fault) {}

  RegexNode* whole() {
    RegexNode* const node = alternatives(0);
    if (node != nullptr && !done()) return fail("a ')' without '('");
    return fault_.what.empty() ? node : nullptr;
  }

 private:
  [[nodiscard]] bool done() const { return at_ == text_.size(); }
  [[nodiscard]] char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char wanted) { return !done() && peek() == wanted ? (++at_, true) : false; }
  RegexNode* fail(StringView what) {
    if (fault_.what.empty()) fault_ = {static_cast<uint32_t>(at_), what, false};
    return nullptr;
  }
  RegexNode* make(NodeKind kind) {
    auto* const node = arena_.make<RegexNode>();
    node->kind = kind;
    return node;
  }
  RegexNode* bytes(const ByteSet& set) {
    RegexNode* const node = make(NodeKind::kBytes);
    node->bytes = set;
    return node;
  }
  RegexNode* byte(char c) {
    ByteSet set;
    set.add(static_cast<uint8_t>(c));
    close_over_case(set);
    return bytes(set);
  }

  static void append(RegexNode& sequence, RegexNode*& last, RegexNode* part) {
    (last == nullptr ? sequence.first : last->next) = part;
    part->previous = last;
    last = part;
  }

  RegexNode* alternatives(uint32_t depth) {
    if (depth > kDeepest) return fail("groups are nested too deeply");
    RegexNode* const either = make(NodeKind::kEither);
    RegexNode** link = &either->first;
    do {
      RegexNode* const one = sequence(depth);
      if (one == nullptr) return nullptr;
      *link = one;
      link = &one->next;
    } while (take('|'));
    return either->first->next == nullptr ? either->first : either;
  }

  RegexNode* sequence(uint32_t depth) {
    RegexNode* const all = make(NodeKind::kSequence);
    RegexNode* last = nullptr;
    while (!done() && peek() != '|' && peek() != ')') {
      RegexNode* const one = repeated(depth);
      if (one == nullptr) return nullptr;
      append(*all, last, one);
    }
    return all;
  }

  RegexNode* repeated(uint32_t depth) {
    RegexNode* const one = atom(depth);
    if (one == nullptr) return nullptr;
    uint32_t least = 0;
    uint32_t most = 0;
    if (!repetition(least, most)) return fault_.what.empty() ? one : nullptr;
    if (one->kind >= NodeKind::kBegin) return fail("a repetition of a place");
    take('?');  // how much it takes makes no difference to whether it matches
    uint32_t ignored = 0;
    const size_t before = at_;
    if (repetition(ignored, ignored)) return at_ = before, fail("a repetition of a repetition");
    RegexNode* const node = make(NodeKind::kRepeat);
    node->first = one;
    node->least = least;
    node->most = most;
    return node;
  }

  bool repetition(uint32_t& least, uint32_t& most) {
    if (take('*')) return least = 0, most = RegexNode::kNoMost, true;
    if (take('+')) return least = 1, most = RegexNode::kNoMost, true;
    if (take('?')) return least = 0, most = 1, true;
    return peek() == '{' && counted(least, most);
  }
  // "{2}", "{2,}", "{2,5}"; anything else is a brace.
  bool counted(uint32_t& least, uint32_t& most) {
    const size_t before = at_++;
    bool fine = number(least);
    most = least;
    if (fine && take(',')) {
      most = RegexNode::kNoMost;
      if (peek() != '}') fine = number(most);
    }
    if (!fine || !take('}')) return at_ = before, false;
    const bool too_many = least > kMostRepetitions || (most != RegexNode::kNoMost && most > kMostRepetitions);
    if (too_many || least > most) {
      at_ = before;
      fail(too_many ? StringView("more than 1,000 repetitions")
                    : StringView("a repetition whose limits are the wrong way round"));
      return false;
    }
    return true;
  }
  bool number(uint32_t& to) {
    to = 0;
    const size_t start = at_;
    while (peek() >= '0' && peek() <= '9' && to < 100'000) to = to * 10 + static_cast<uint32_t>(text_[at_++] - '0');
    return at_ > start;
  }

  RegexNode* atom(uint32_t depth) {
    const char c = peek();
    if (c == '*' || c == '+' || c == '?') return fail("a repetition of nothing");
    if (c == '[') return bracket();
    if (c == '\\') return escape();
    if (static_cast<unsigned char>(c) >= 0x80) return character();
    ++at_;
    switch (c) {
      case '(':
        return group(depth);
      case '^':
        return make(NodeKind::kBegin);
      case '$':
        return make(NodeKind::kEnd);
      case '.':
        return any_byte();
      default:
        return byte(c);
    }
  }

  RegexNode* any_byte() {
    ByteSet set;
    if (!dot_is_all_) set.add('\n');
    set.negate();
    return bytes(set);
  }

  // A character beyond ASCII is a sequence of bytes, so that it is repeated as a whole.
  RegexNode* character() {
    const size_t length = utf8_length(text_.from(at_));
    RegexNode* const all = make(NodeKind::kSequence);
    RegexNode* last = nullptr;
    for (size_t i = 0; i < (length == 0 ? 1 : length); ++i) append(*all, last, byte(text_[at_++]));
    return all;
  }

  RegexNode* group(uint32_t depth) {
    const bool outside = dot_is_all_;
    if (take('?')) {
      bool whole_rest = false;
      if (!group_options(whole_rest)) return nullptr;
      if (whole_rest) return make(NodeKind::kEmpty);  // "(?s)" lasts to the end of the group around it
    }
    RegexNode* const inner = alternatives(depth + 1);
    if (inner == nullptr) return nullptr;
    if (!take(')')) return fail("a '(' without ')'");
    dot_is_all_ = outside;
    return inner;
  }
  bool group_options(bool& whole_rest) {
    if (peek() == 'P') ++at_;
    if (take('<')) {
      while (!done() && set_of("09azAZ__").has(static_cast<uint8_t>(peek()))) ++at_;
      if (!take('>')) return fail("a name of a group that does not end") != nullptr;
      return true;
    }
    for (; peek() == 'i' || peek() == 's'; ++at_) dot_is_all_ = dot_is_all_ || peek() == 's';
    if (take(':')) return true;
    if (take(')')) return whole_rest = true;
    return fail("expected (?:…), (?s), (?i) or (?P<name>…); case is always ignored") != nullptr;
  }

  RegexNode* escape() {
    ++at_;
    if (done()) return fail("a backslash at the end");
    ByteSet set;
    if (class_escape(peek(), set)) return ++at_, bytes(set);
    switch (peek()) {
      case 'b':
        return ++at_, make(NodeKind::kWordEdge);
      case 'B':
        return ++at_, make(NodeKind::kNoWordEdge);
      case 'A':
        return ++at_, make(NodeKind::kBegin);
      case 'z':
        return ++at_, make(NodeKind::kEnd);
      default:
        break;
    }
    uint8_t value = 0;
    return escaped_byte(value) ? byte(static_cast<char>(value)) : nullptr;
  }
  // Behind a backslash.
  bool escaped_byte(uint8_t& value) {
    const char c = peek();
    constexpr StringView kNames = "tnrfva";
    constexpr StringView kMeanings = "\t\n\r\f\v\a";
    if (const size_t at = kNames.find(c); at != StringView::kNotFound) {
      value = static_cast<uint8_t>(kMeanings[at]);
    } else if (c == 'x') {
      const int high = guest::hex_digit(peek(1));
      const int low = guest::hex_digit(peek(2));
      if (high < 0 || low < 0) return fail("expected two hexadecimal digits behind \\x") != nullptr;
      value = static_cast<uint8_t>(high * 16 + low);
      at_ += 2;
    } else if (is_punctuation(c)) {
      value = static_cast<uint8_t>(c);
    } else {
      return fail("an escape that is not known here") != nullptr;
    }
    ++at_;
    return true;
  }

  RegexNode* bracket() {
    const size_t start = at_++;
    const bool negated = take('^');
    ByteSet set;
    for (bool first = true; first || peek() != ']'; first = false) {
      if (done()) return at_ = start, fail("a '[' without ']'");
      if (!bracket_item(set)) return nullptr;
    }
    ++at_;
    close_over_case(set);
    if (negated) set.negate();
    return bytes(set);
  }
  bool bracket_item(ByteSet& set) {
    ByteSet named;
    if (peek() == '[' && peek(1) == ':') return named_set(set);
    if (peek() == '\\' && class_escape(peek(1), named)) return at_ += 2, set.add_all(named), true;
    uint8_t first = 0;
    uint8_t last = 0;
    if (!bracket_byte(first)) return false;
    last = first;
    if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
      ++at_;
      if (!bracket_byte(last)) return false;
      if (last < first) return fail("a range that runs backwards") != nullptr;
    }
    set.add_range(first, last);
    return true;
  }
  bool bracket_byte(uint8_t& value) {
    if (done()) return fail("a '[' without ']'") != nullptr;
    if (take('\\')) return escaped_byte(value);
    if (static_cast<unsigned char>(peek()) >= 0x80) {
      return fail("a character beyond ASCII in [ ]: write alternatives, as in (ä|ö)") != nullptr;
    }
    value = static_cast<uint8_t>(text_[at_++]);
    return true;
  }
  bool named_set(ByteSet& set) {
    for (const NamedSet& known : kNamedSets) {
      const StringView rest = text_.from(at_ + 2);
      if (!rest.starts_with(known.name) || !rest.from(known.name.size()).starts_with(":]")) continue;
      at_ += 4 + known.name.size();
      set.add_all(set_of(known.ranges));
      return true;
    }
    return fail(
               "no such class; expected [:alnum:], [:alpha:], [:digit:], [:space:], [:punct:], [:xdigit:] or "
               "[:word:]") != nullptr;
  }

  StringView text_;
  Arena& arena_;
  RegexFault& fault_;
  size_t at_ = 0;
  bool dot_is_all_ = false;
};

}  // namespace

RegexNode* parse_regex(StringView text, Arena& arena, RegexFault& fault) { return Parser(text, arena, fault).whole(); }

int only_byte(const ByteSet& bytes) {
  int found = -1;
  for (int byte = 0; byte < 256; ++byte) {
    if ((byte >= 'A' && byte <= 'Z') || !bytes.has(static_cast<uint8_t>(byte))) continue;
    if (found >= 0) return -1;
    found = byte;
  }
  return found;
}

}  // namespace secbeat::waf
