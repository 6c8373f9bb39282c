#include "timestamp.hpp"

namespace secbeat::waf {
namespace {

// Takes numbers and signs off the front of a text; once something is wrong, it stays wrong.
class Cursor {
 public:
  explicit Cursor(StringView text) : rest_(text) {}

  int number(size_t digits, int least, int most) {
    int value = 0;
    ok_ = ok_ && rest_.size() >= digits;
    for (size_t i = 0; ok_ && i < digits; ++i) {
      ok_ = rest_[i] >= '0' && rest_[i] <= '9';
      value = value * 10 + (rest_[i] - '0');
    }
    rest_ = rest_.from(digits);
    ok_ = ok_ && value >= least && value <= most;
    return value;
  }
  bool takes(char wanted) {
    if (!ok_ || rest_.empty() || guest::ascii_lower(rest_[0]) != wanted) return false;
    rest_ = rest_.from(1);
    return true;
  }
  void needs(char wanted) { ok_ = takes(wanted); }
  // Milliseconds of a fraction of any length.
  int fraction() {
    int value = 0;
    int scale = 100;
    bool any = false;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      value += (rest_[0] - '0') * scale;
      scale /= 10;
      any = true;
      rest_ = rest_.from(1);
    }
    ok_ = ok_ && any;
    return value;
  }
  [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }

 private:
  StringView rest_;
  bool ok_ = true;
};

int days_of_month(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Since 1970, of a year from 1970 on (Howard Hinnant, days_from_civil).
int64_t days_since_1970(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = y / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

}  // namespace

bool parse_timestamp(StringView text, uint64_t& unix_ms) {
  Cursor cursor(text);
  const int year = cursor.number(4, 1970, 9999);
  cursor.needs('-');
  const int month = cursor.number(2, 1, 12);
  cursor.needs('-');
  const int day = cursor.number(2, 1, 31);
  if (!cursor.takes(' ')) cursor.needs('t');
  const int hour = cursor.number(2, 0, 23);
  cursor.needs(':');
  const int minute = cursor.number(2, 0, 59);
  cursor.needs(':');
  const int second = cursor.number(2, 0, 60);
  const int milliseconds = cursor.takes('.') ? cursor.fraction() : 0;
  int64_t offset_minutes = 0;
  if (!cursor.takes('z')) {
    const bool behind = cursor.takes('-');
    if (!behind) cursor.needs('+');
    offset_minutes = cursor.number(2, 0, 23) * 60;
    cursor.needs(':');
    offset_minutes += cursor.number(2, 0, 59);
    if (behind) offset_minutes = -offset_minutes;
  }
  if (!cursor.at_end() || day > days_of_month(year, month)) return false;
  const int64_t minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
  const int64_t all = (minutes * 60 + second) * 1000 + milliseconds;
  if (all < 0) return false;
  unix_ms = static_cast<uint64_t>(all);
  return true;
}

}  // namespace secbeat::waf
