#include "secbeat/base/clock.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>

namespace secbeat {
namespace {

// Reads the fixed-width numbers of RFC 3339 one after the other; any mismatch makes it fail for good.
class MomentReader {
 public:
  explicit MomentReader(std::string_view text) : text_(text) {}

  int number(std::size_t digits, int low, int high) {
    int result = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char digit = text_.empty() ? '-' : text_.front();
      if (digit < '0' || digit > '9') ok_ = false;
      result = ok_ ? result * 10 + (digit - '0') : -1;
      if (!text_.empty()) text_.remove_prefix(1);
      if (!ok_) return result;
    }
    ok_ = result >= low && result <= high;
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

}  // namespace

std::chrono::milliseconds RealClock::since_boot() const {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(now.tv_sec) +
                                                               std::chrono::nanoseconds(now.tv_nsec));
}

std::string rfc3339(SystemTime time) {
  // The system clock's own nanoseconds, which to_time_t() goes through, end in the year 2262.
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
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

}  // namespace secbeat
