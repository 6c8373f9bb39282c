#include "json_reader.hpp"

#include "unicode.hpp"

namespace secbeat::waf {
namespace {

class Reader {
 public:
  Reader(StringView text, Arena& arena, JsonFault& fault) : text_(text), arena_(arena), fault_(fault) {}

  const JsonValue* document() {
    JsonValue* const value = this->value(0);
    skip_space();
    if (value != nullptr && at_ != text_.size()) return fail("text behind the end of the document");
    return value;
  }

 private:
  JsonValue* fail(StringView what) {
    if (fault_.what.empty()) fault_ = {static_cast<uint32_t>(at_), what};
    return nullptr;
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    skip_space();
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  JsonValue* value(uint32_t depth) {
    skip_space();
    if (depth > kDeepestJson) return fail("nested too deeply");
    auto* const made = arena_.make<JsonValue>();
    made->place = static_cast<uint32_t>(at_);
    const bool read = read_into(*made, depth);
    made->end = static_cast<uint32_t>(at_);
    return read ? made : nullptr;
  }

  bool read_into(JsonValue& value, uint32_t depth) {
    switch (peek()) {
      case '{':
        return object(value, depth);
      case '[':
        return array(value, depth);
      case '"':
        value.type = JsonType::kString;
        return string(value.text);
      case 't':
        value.truth = true;
        [[fallthrough]];
      case 'f':
        value.type = JsonType::kBool;
        return word(value.truth ? StringView("true") : StringView("false"));
      case 'n':
        return word("null");
      default:
        return number(value);
    }
  }

  bool word(StringView wanted) {
    if (!text_.from(at_).starts_with(wanted)) return fail("expected a value") != nullptr;
    at_ += wanted.size();
    return true;
  }

  bool digits() {
    const size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > start;
  }
  bool number(JsonValue& value) {
    const size_t start = at_;
    if (peek() == '-') ++at_;
    const bool zero = peek() == '0';
    if (zero) ++at_;
    if (!zero && !digits()) return fail("expected a value") != nullptr;
    if (peek() == '.') {
      ++at_;
      if (!digits()) return fail("expected a digit") != nullptr;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return fail("expected a digit") != nullptr;
    }
    value.type = JsonType::kNumber;
    value.text = {text_.data() + start, at_ - start};
    return true;
  }

  bool string(StringView& out) {
    const size_t start = ++at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
      if (!plain_character()) return false;
    }
    if (at_ == text_.size()) return fail("a text that does not end") != nullptr;
    out = {text_.data() + start, at_ - start};
    if (text_[at_] == '"') return ++at_, true;
    return string_with_escapes(start, out);
  }
  // One character that stands for itself; more than a byte where it is not ASCII.
  bool plain_character() {
    const size_t length = utf8_length(text_.from(at_));
    if (length == 0) return fail("this is not UTF-8") != nullptr;
    if (static_cast<unsigned char>(text_[at_]) < 0x20)
      return fail("a control character in a text: write it as \\u00XX") != nullptr;
    at_ += length;
    return true;
  }
  bool string_with_escapes(size_t start, StringView& out) {
    size_t end = at_;  // the room that it takes at most: up to the quote that ends it
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return fail("a text that does not end") != nullptr;
    char* const place = arena_.take_array<char>(end - start);
    size_t size = at_ - start;
    __builtin_memcpy(place, text_.data() + start, size);
    while (text_[at_] != '"') {
      if (text_[at_] == '\\') {
        uint32_t code = 0;
        const size_t taken = json_escape(text_.from(at_), code);
        if (taken == 0) return fail("an escape that JSON does not know") != nullptr;
        at_ += taken;
        size += write_utf8(code, place + size);
      } else {
        const size_t before = at_;
        if (!plain_character()) return false;
        for (size_t i = before; i < at_; ++i) place[size++] = text_[i];
      }
    }
    ++at_;
    out = {place, size};
    return true;
  }

  bool array(JsonValue& value, uint32_t depth) {
    value.type = JsonType::kArray;
    ++at_;
    if (take(']')) return true;
    const JsonValue** link = &value.first;
    do {
      JsonValue* const element = this->value(depth + 1);
      if (element == nullptr) return false;
      *link = element;
      link = &element->next;
      ++value.count;
    } while (take(','));
    return take(']') || fail("expected ',' or ']'") != nullptr;
  }

  bool object(JsonValue& value, uint32_t depth) {
    value.type = JsonType::kObject;
    ++at_;
    if (take('}')) return true;
    const JsonValue** link = &value.first;
    do {
      skip_space();
      const auto key_place = static_cast<uint32_t>(at_);
      StringView key;
      if (peek() != '"') return fail("expected a key in quotes") != nullptr;
      if (!string(key)) return false;
      if (!take(':')) return fail("expected ':'") != nullptr;
      JsonValue* const member = this->value(depth + 1);
      if (member == nullptr) return false;
      member->key = key;
      member->key_place = key_place;
      *link = member;
      link = &member->next;
      ++value.count;
    } while (take(','));
    return take('}') || fail("expected ',' or '}'") != nullptr;
  }

  StringView text_;
  Arena& arena_;
  JsonFault& fault_;
  size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::member(StringView name) const {
  for (const JsonValue* one = first; one != nullptr; one = one->next) {
    if (one->key == name) return one;
  }
  return nullptr;
}

const JsonValue* read_json(StringView text, Arena& arena, JsonFault& fault) {
  return Reader(text, arena, fault).document();
}

Place place_of(StringView text, uint32_t offset) {
  Place place;
  for (size_t i = 0; i < offset && i < text.size(); ++i) {
    const bool line_ends = text[i] == '\n';
    place.line += line_ends ? 1 : 0;
    place.column = line_ends ? 1 : place.column + 1;
  }
  return place;
}

}  // namespace secbeat::waf
