#include "faults.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kMostTold = 8;

}  // namespace

bool Faults::begin(uint32_t place, StringView key) {
  if (++count_ > kMostTold) return false;
  if (count_ > 1) put("; ");
  if (number_ > 0 && !id_.empty()) {
    put("rule \"");
    put(id_.first(64));
    put("\", ");
  } else if (number_ > 0) {
    put("rule number ");
    put(number_);
    put(", ");
  }
  if (!key.empty()) {
    put("key \"");
    put(key.first(40));
    put("\", ");
  }
  const Place at = place_of(document_, place);
  put("line ");
  put(at.line);
  put(" column ");
  put(at.column);
  put(": ");
  return true;
}

void Faults::put(uint64_t number) {
  char digits[20];
  size_t size = 0;
  do {
    digits[size++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (size > 0) text_.push(digits[--size]);
}

StringView Faults::text() {
  if (count_ > kMostTold) {
    put("; and ");
    put(uint64_t{count_ - kMostTold});
    put(" more");
    count_ = kMostTold;
  }
  return text_.view();
}

}  // namespace secbeat::waf
