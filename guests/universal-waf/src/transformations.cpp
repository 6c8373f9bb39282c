#include "transformations.hpp"

#include "unicode.hpp"

namespace secbeat::waf {
namespace {

// Writes a result behind which padding follows.
class Output {
 public:
  Output(Arena& arena, size_t most) : arena_(arena), place_(arena.take_array<char>(most + kPadding)) {}
  [[nodiscard]] bool ready() const { return place_ != nullptr; }
  void put(char c) { place_[size_++] = guest::ascii_lower(c); }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] char last() const { return place_[size_ - 1]; }
  void cut(size_t size) { size_ = size; }
  [[nodiscard]] StringView view() const { return {place_, size_}; }
  StringView finish() {
    for (size_t i = 0; i < kPadding; ++i) place_[size_ + i] = '\0';
    arena_.trim(place_ + size_ + kPadding);
    return {place_, size_};
  }

 private:
  Arena& arena_;
  char* place_;
  size_t size_ = 0;
};

// The four digits of "%uXXXX"; false where it is none.
bool unicode_escape(StringView text, uint32_t& code) {
  if (text.size() < 6 || text[1] != 'u') return false;
  code = 0;
  for (size_t i = 2; i < 6; ++i) {
    const int digit = guest::hex_digit(text[i]);
    if (digit < 0) return false;
    code = code * 16 + static_cast<uint32_t>(digit);
  }
  return true;
}

// As ModSecurity: the low byte, and the ASCII character that a full-width one looks like.
char narrowed(uint32_t code) {
  const uint32_t low = code & 0xFFU;
  const bool full_width = code >= 0xFF01 && code <= 0xFF5E;
  return static_cast<char>(static_cast<unsigned char>(full_width ? low + 0x20 : low));
}

void url_decode(StringView text, Output& out) {
  while (!text.empty()) {
    uint32_t code = 0;
    if (text[0] == '%' && unicode_escape(text, code)) {
      out.put(narrowed(code));
      text = text.from(6);
    } else if (text[0] == '+') {
      out.put(' ');
      text = text.from(1);
    } else {
      out.put(guest::take_decoded(text));
    }
  }
}

struct Entity {
  StringView name;
  char meaning;
};
constexpr Entity kEntities[] = {{"quot", '"'}, {"amp", '&'},   {"lt", '<'},
                                {"gt", '>'},   {"apos", '\''}, {"nbsp", '\xA0'}};

// "&#60;" and "&#x3c;", of at most 7 digits. How long it is without a semicolon, 0: none.
size_t numeric_entity(StringView text, uint32_t& code) {
  if (text.size() < 3 || text[1] != '#') return 0;
  const bool hexadecimal = text[2] == 'x';
  constexpr size_t kMostDigits = 7;
  size_t at = hexadecimal ? 3 : 2;
  const size_t start = at;
  code = 0;
  for (; at < text.size() && at - start < kMostDigits; ++at) {
    const int digit = guest::hex_digit(text[at]);
    if (digit < 0 || (!hexadecimal && digit > 9)) break;
    code = code * (hexadecimal ? 16 : 10) + static_cast<uint32_t>(digit);
  }
  return at > start && code <= 0x10FFFF ? at : 0;
}

// Takes what stands for a character off the front of a text that begins with '&'.
void decode_entity(StringView& text, Output& out) {
  uint32_t code = 0;
  size_t length = numeric_entity(text, code);
  if (length > 0) {
    char bytes[4];
    size_t size = 1;
    if (code > 0xFF) {
      size = write_utf8(code, bytes);
    } else {
      bytes[0] = static_cast<char>(static_cast<unsigned char>(code));
    }
    for (size_t i = 0; i < size; ++i) out.put(bytes[i]);
  } else {
    for (const Entity& entity : kEntities) {
      if (!text.from(1).starts_with(entity.name)) continue;
      length = 1 + entity.name.size();
      out.put(entity.meaning);
      break;
    }
  }
  if (length == 0) {
    out.put('&');
    length = 1;
  } else if (length < text.size() && text[length] == ';') {
    ++length;
  }
  text = text.from(length);
}

void html_decode(StringView text, Output& out) {
  while (!text.empty()) {
    if (text[0] == '&') {
      decode_entity(text, out);
    } else {
      out.put(text[0]);
      text = text.from(1);
    }
  }
}

// Segments that are empty or "." go; ".." takes back the one before it, but never more than there is: at the root it
// goes as well, and at the start of a relative path it stays.
void normalize(StringView text, Output& out) {
  const bool absolute = text.starts_with("/");
  size_t kept_back = absolute ? 1 : 0;  // what no ".." takes back
  if (absolute) out.put('/');
  for (bool more = !text.empty(); more;) {
    const StringView segment = text.first(text.find('/'));
    more = segment.size() < text.size();
    text = text.from(segment.size() + 1);
    if (segment.empty() || equal(segment, ".")) continue;
    const bool back = equal(segment, "..");
    if (back && out.size() > kept_back) {
      size_t size = out.size() - 1;
      while (size > kept_back && out.view()[size - 1] != '/') --size;
      out.cut(size);
    } else if (!back || !absolute) {
      for (const char c : segment) out.put(c);
      if (more) out.put('/');
      if (back) kept_back = out.size();
    }
  }
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xA0'; }

void compress(StringView text, Output& out) {
  for (const char c : text) {
    if (!is_space(c)) {
      out.put(c);
    } else if (out.size() == 0 || out.last() != ' ') {
      out.put(' ');
    }
  }
}

}  // namespace

StringView apply(Transformation transformation, StringView text, Arena& arena) {
  if (transformation == Transformation::kLowercase) return text;
  Output out(arena, text.size() + 1);
  if (!out.ready()) return {};
  switch (transformation) {
    case Transformation::kUrlDecodeUni:
      url_decode(text, out);
      break;
    case Transformation::kHtmlEntityDecode:
      html_decode(text, out);
      break;
    case Transformation::kRemoveNulls:
      for (const char c : text) {
        if (c != '\0') out.put(c);
      }
      break;
    case Transformation::kNormalizePath:
      normalize(text, out);
      break;
    case Transformation::kCompressWhitespace:
      compress(text, out);
      break;
    case Transformation::kLowercase:
      break;
  }
  return out.finish();
}

}  // namespace secbeat::waf
