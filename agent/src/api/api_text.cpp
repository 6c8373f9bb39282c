#include "api_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/text.hpp"

namespace secbeat::agent {
namespace {

// Reads the fixed-width numbers of RFC 3339 one after the other; any mismatch makes it fail for good.
class MomentReader {
 public:
  explicit MomentReader(std::string_view text) : text_(text) {}

  int number(std::size_t digits, int low, int high) {
    const auto value = text_.size() >= digits ? whole_number<unsigned>(text_.substr(0, digits)) : std::nullopt;
    text_.remove_prefix(std::min(digits, text_.size()));
    const int result = value ? static_cast<int>(*value) : -1;
    ok_ = ok_ && result >= low && result <= high;
    return result;
  }
  bool accept(std::string_view any_of) {
    if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) return false;
    last_ = text_.front();
    text_.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any_of) { ok_ = accept(any_of) && ok_; }
  // Digits after the decimal point, to the millisecond.
  int fraction_ms() {
    int ms = 0;
    int scale = 100;
    std::size_t digits = 0;
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; text_.remove_prefix(1), ++digits) {
      ms += (text_.front() - '0') * scale;
      scale /= 10;
    }
    ok_ = ok_ && digits > 0;
    return ms;
  }
  [[nodiscard]] char last() const { return last_; }
  [[nodiscard]] bool done() const { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
  char last_ = 0;
};

// Bytes of the UTF-8 sequence that begins the text; 0: none does, or it is a control character.
std::size_t plain_sequence(std::string_view text) {
  const Character character = first_character(text);
  const bool is_control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0);
  return character.valid && !is_control ? character.bytes : 0;
}

}  // namespace

std::size_t plain_text_length(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t length = plain_sequence(text.substr(i));
    if (length == 0) break;
    i += length;
  }
  return i;
}

std::string shown(std::string_view text, std::size_t limit) {
  std::string out;
  std::size_t i = 0;
  while (i < text.size() && i < limit) {
    const std::size_t length = plain_sequence(text.substr(i));
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    } else {
      if (text[i] == '\\' || text[i] == '"') out += '\\';
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  if (i < text.size()) out += "...";
  return out;
}

std::optional<SystemTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  MomentReader reader(text);
  const int y = reader.number(4, 1970, 9999);
  reader.expect("-");
  const int m = reader.number(2, 1, 12);
  reader.expect("-");
  const int d = reader.number(2, 1, 31);
  reader.expect("Tt");
  const int hour = reader.number(2, 0, 23);
  reader.expect(":");
  const int minute = reader.number(2, 0, 59);
  reader.expect(":");
  const int second = reader.number(2, 0, 60);
  const int ms = reader.accept(".") ? reader.fraction_ms() : 0;
  minutes offset{0};
  if (!reader.accept("Zz")) {
    reader.expect("+-");
    const int sign = reader.last() == '-' ? -1 : 1;
    const int offset_hours = reader.number(2, 0, 23);
    reader.expect(":");
    offset = sign * (hours(offset_hours) + minutes(reader.number(2, 0, 59)));
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(std::max(m, 0))),
                            day(static_cast<unsigned>(std::max(d, 0)))};
  if (!reader.done() || !date.ok()) return std::nullopt;
  return sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + milliseconds(ms) - offset;
}

}  // namespace secbeat::agent
