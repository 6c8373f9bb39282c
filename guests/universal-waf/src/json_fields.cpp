#include "json_fields.hpp"

#include "unicode.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kDeepestBody = 256;

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_token(char c) {
  return is_json_space(c) || c == ',' || c == ':' || c == '[' || c == ']' || c == '{' || c == '}' || c == '"' ||
         c == '\\';  // an escape outside of a text
}

class LeafReader {
 public:
  LeafReader(StringView text, const Array<JsonPointer>& pointers, Arena& arena, Array<JsonLeaf>& leaves)
      : text_(text), pointers_(pointers), arena_(arena), leaves_(leaves) {}

  void read() {
    const uint32_t count = pointers_.size();
    uint64_t under = count == kMostPointers ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    while (value(under)) {
      if (!next_value(under)) return;
    }
  }

 private:
  struct Level {
    uint64_t under;  // the pointers that lead here or further
    uint32_t index;  // of an array's element
    bool object;
  };

  void skip_space() {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
  }
  bool takes(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  // A leaf, or the opening of an object or array. False where the body ends or is broken.
  bool value(uint64_t under) {
    skip_space();
    if (at_ == text_.size()) return false;
    const char c = text_[at_];
    if (c == '{' || c == '[') return open(under, c == '{');
    StringView text;
    if (c == '"') {
      const bool whole = string(text);
      add(text, under);
      return whole;
    }
    const size_t start = at_;
    while (at_ < text_.size() && !ends_token(text_[at_])) ++at_;
    text = {text_.data() + start, at_ - start};
    if (text.empty()) return false;
    add(text, under);
    return true;
  }

  bool open(uint64_t under, bool object) {
    if (depth_ == kDeepestBody) return false;
    ++at_;
    levels_[depth_++] = {under, 0, object};
    fresh_ = true;
    return true;
  }

  void add(StringView text, uint64_t under) {
    uint64_t reached = 0;
    for (uint32_t i = 0; i < pointers_.size(); ++i) {
      if ((under >> i & 1U) != 0 && pointers_[i].count <= depth_) reached |= uint64_t{1} << i;
    }
    if (reached != 0) leaves_.push(arena_, {text, reached});
  }

  // Goes to where the next value begins, and says which pointers lead there.
  bool next_value(uint64_t& under) {
    for (;;) {
      if (depth_ == 0) return false;
      Level& level = levels_[depth_ - 1];
      if (takes(level.object ? '}' : ']')) {
        --depth_;
        fresh_ = false;
        continue;
      }
      if (!fresh_ && !takes(',')) return false;
      fresh_ = false;
      if (!level.object) return under = narrowed(level.under, level.index++), true;
      StringView key;
      if (!takes('"')) return false;
      --at_;
      if (!string(key) || !takes(':')) return false;
      under = narrowed(level.under, key);
      return true;
    }
  }

  // Of the pointers that lead to a level, those that lead to this member of it.
  uint64_t narrowed(uint64_t under, StringView key) const {
    uint64_t result = 0;
    for (uint32_t i = 0; under >> i != 0; ++i) {
      if ((under >> i & 1U) == 0) continue;
      const JsonPointer& pointer = pointers_[i];
      if (pointer.count < depth_ || equal(pointer.segments[depth_ - 1], key)) result |= uint64_t{1} << i;
      if (i == kMostPointers - 1) break;
    }
    return result;
  }
  uint64_t narrowed(uint64_t under, uint32_t index) const {
    char digits[10];
    size_t start = sizeof digits;
    do {
      digits[--start] = static_cast<char>('0' + index % 10);
      index /= 10;
    } while (index > 0);
    return narrowed(under, StringView(digits + start, sizeof digits - start));
  }

  // From the opening quote on. False where it does not end.
  bool string(StringView& out) {
    const size_t start = ++at_;
    bool escapes = false;
    while (at_ < text_.size() && text_[at_] != '"') {
      uint32_t code = 0;
      const size_t length = text_[at_] == '\\' ? json_escape(text_.from(at_), code) : 0;
      escapes = escapes || length > 0;
      at_ += length > 0 ? length : 1;
    }
    out = {text_.data() + start, at_ - start};
    if (escapes) out = without_json_escapes(out, arena_);
    if (at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  StringView text_;
  const Array<JsonPointer>& pointers_;
  Arena& arena_;
  Array<JsonLeaf>& leaves_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
  bool fresh_ = false;  // the newest level has no value yet
  Level levels_[kDeepestBody] = {};
};

}  // namespace

StringView without_json_escapes(StringView folded_text, Arena& arena) {
  char* const place = arena.take_array<char>(folded_text.size() + kPadding);
  if (place == nullptr) return {};
  size_t size = 0;
  for (size_t i = 0; i < folded_text.size();) {
    uint32_t code = 0;
    const size_t length = folded_text[i] == '\\' ? json_escape(folded_text.from(i), code) : 0;
    if (length == 0) {
      place[size++] = folded_text[i++];
    } else {
      size += write_utf8(code < 0x80 ? static_cast<uint32_t>(guest::ascii_lower(static_cast<char>(code))) : code,
                         place + size);
      i += length;
    }
  }
  for (size_t i = 0; i < kPadding; ++i) place[size + i] = '\0';
  arena.trim(place + size + kPadding);
  return {place, size};
}

void read_json_leaves(StringView body, const Array<JsonPointer>& pointers, Arena& arena, Array<JsonLeaf>& leaves) {
  LeafReader(body, pointers, arena, leaves).read();
}

}  // namespace secbeat::waf
