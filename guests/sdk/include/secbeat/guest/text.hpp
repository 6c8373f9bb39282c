// Bytes and how rules look at them: part of secbeat/guest.hpp, which a rule includes.
//
// Thread safety: values, and free functions without state.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace secbeat::guest {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

namespace detail {

constexpr size_t kLanes = 16;
using Lanes [[gnu::vector_size(kLanes)]] = signed char;

// The first and the last byte of a text that is looked for: few places have both.
class Ends {
 public:
  Ends(const char* text, size_t size, bool ignore_case)
      : distance_(size - 1), first_(text[0], ignore_case), last_(text[size - 1], ignore_case) {}

  // Whether the text may begin at one of sixteen places. REQUIRES: kLanes - 1 + the text's size bytes at `places`.
  [[nodiscard]] bool may_be_at(const char* places) const {
    const Lanes both = first_.where(places) & last_.where(places + distance_);
    uint64_t halves[2];
    __builtin_memcpy(halves, &both, sizeof both);
    return (halves[0] | halves[1]) != 0;
  }

 private:
  class Byte {
   public:
    Byte(char c, bool ignore_case) {
      const auto lower = static_cast<signed char>(ignore_case ? ascii_lower(c) : c);
      const bool has_case = ignore_case && lower >= 'a' && lower <= 'z';
      const auto upper = static_cast<signed char>(has_case ? lower - ('a' - 'A') : lower);
      lower_ = Lanes{} + lower;
      upper_ = Lanes{} + upper;
    }
    [[nodiscard]] Lanes where(const char* places) const {
      Lanes bytes;
      __builtin_memcpy(&bytes, places, sizeof bytes);
      return (bytes == lower_) | (bytes == upper_);
    }

   private:
    Lanes lower_;
    Lanes upper_;
  };

  size_t distance_;
  Byte first_;
  Byte last_;
};

}  // namespace detail

// Bytes that somebody else keeps. "ignore_case" means ASCII only.
class StringView {
 public:
  static constexpr size_t kNotFound = ~size_t{0};

  constexpr StringView() = default;
  constexpr StringView(const char* data, size_t size) : data_(data), size_(size) {}
  template <size_t kSize>
  constexpr StringView(const char (&literal)[kSize]) : data_(literal), size_(kSize - 1) {}

  [[nodiscard]] constexpr const char* data() const { return data_; }
  [[nodiscard]] constexpr size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr const char* begin() const { return data_; }
  [[nodiscard]] constexpr const char* end() const { return data_ + size_; }
  // REQUIRES: index < size().
  constexpr char operator[](size_t index) const { return data_[index]; }

  // Both clamp to what there is.
  [[nodiscard]] constexpr StringView first(size_t count) const { return {data_, count < size_ ? count : size_}; }
  [[nodiscard]] constexpr StringView from(size_t start) const {
    return start < size_ ? StringView(data_ + start, size_ - start) : StringView();
  }

  [[nodiscard]] constexpr size_t find(char wanted, size_t start = 0) const {
    for (size_t i = start; i < size_; ++i) {
      if (data_[i] == wanted) return i;
    }
    return kNotFound;
  }
  [[nodiscard]] constexpr bool starts_with(StringView text) const { return first(text.size_) == text; }
  [[nodiscard]] constexpr bool ends_with(StringView text) const {
    return text.size_ <= size_ && from(size_ - text.size_) == text;
  }
  [[nodiscard]] constexpr bool contains(StringView text) const { return has(text, Case::kExact); }
  [[nodiscard]] constexpr bool equals_ignore_case(StringView text) const {
    if (size_ != text.size_) return false;
    for (size_t i = 0; i < size_; ++i) {
      if (ascii_lower(data_[i]) != ascii_lower(text.data_[i])) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool starts_with_ignore_case(StringView text) const {
    return first(text.size_).equals_ignore_case(text);
  }
  [[nodiscard]] constexpr bool contains_ignore_case(StringView text) const { return has(text, Case::kIgnored); }
  // Without the blanks and line ends around it.
  [[nodiscard]] constexpr StringView trimmed() const {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    StringView rest = *this;
    while (!rest.empty() && is_blank(rest[0])) rest = rest.from(1);
    while (!rest.empty() && is_blank(rest[rest.size_ - 1])) --rest.size_;
    return rest;
  }

  friend constexpr bool operator==(StringView a, StringView b) {
    if (a.size_ != b.size_) return false;
    for (size_t i = 0; i < a.size_; ++i) {
      if (a.data_[i] != b.data_[i]) return false;
    }
    return true;
  }

 private:
  enum class Case { kExact, kIgnored };

  [[nodiscard]] constexpr bool has_at(size_t place, StringView text, Case letters) const {
    const StringView here(data_ + place, text.size_);
    return letters == Case::kExact ? here == text : here.equals_ignore_case(text);
  }
  [[nodiscard]] constexpr bool has_between(size_t first, size_t last, StringView text, Case letters) const {
    for (size_t i = first; i < last; ++i) {
      if (has_at(i, text, letters)) return true;
    }
    return false;
  }
  // Sixteen places at a time where there are as many, the last sixteen a second time where they do not divide.
  [[nodiscard]] constexpr bool has(StringView text, Case letters) const {
    if (text.empty()) return true;
    if (text.size_ > size_) return false;
    const size_t places = size_ - text.size_ + 1;
    if consteval {
      return has_between(0, places, text, letters);
    }
    const bool whole = places >= detail::kLanes;
    const detail::Ends ends(text.data_, text.size_, letters == Case::kIgnored);
    for (size_t i = 0; i < places; i += detail::kLanes) {
      const size_t first = whole && i + detail::kLanes > places ? places - detail::kLanes : i;
      if (whole && !ends.may_be_at(data_ + first)) continue;
      if (has_between(first, whole ? first + detail::kLanes : places, text, letters)) return true;
    }
    return false;
  }

  const char* data_ = "";
  size_t size_ = 0;
};

// Text in a fixed place of its own; what does not fit is cut off and truncated() says so.
template <size_t kCapacity>
class Buffer {
 public:
  constexpr void clear() { size_ = 0, truncated_ = false; }
  constexpr void push(char c) {
    if (size_ < kCapacity) {
      data_[size_++] = c;
    } else {
      truncated_ = true;
    }
  }
  constexpr void append(StringView text) {
    for (const char c : text) push(c);
  }
  // REQUIRES: size <= view().size().
  constexpr void cut(size_t size) { size_ = size; }
  [[nodiscard]] constexpr StringView view() const { return {data_, size_}; }
  [[nodiscard]] constexpr bool full() const { return size_ == kCapacity; }
  [[nodiscard]] constexpr bool truncated() const { return truncated_; }

 private:
  char data_[kCapacity] = {};
  size_t size_ = 0;
  bool truncated_ = false;
};

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that `text` starts with, %XX decoded once, taken off its front. A '%' that no two hexadecimal
// digits follow stands for itself. REQUIRES: text is not empty.
constexpr char take_decoded(StringView& text) {
  const int high = text[0] == '%' && text.size() > 2 ? hex_digit(text[1]) : -1;
  const int low = high >= 0 ? hex_digit(text[2]) : -1;
  const char c = low >= 0 ? static_cast<char>(high * 16 + low) : text[0];
  text = text.from(low >= 0 ? 3 : 1);
  return c;
}

template <size_t kCapacity>
constexpr void percent_decode(StringView text, Buffer<kCapacity>& out) {
  out.clear();
  while (!text.empty()) out.push(take_decoded(text));
}

// Writes a path segment by segment. What does not fit is counted, not written, so that ".." behind the
// buffer's end still takes back the right segment.
template <size_t kCapacity>
class PathNormalizer {
 public:
  constexpr explicit PathNormalizer(Buffer<kCapacity>& out) : out_(out) { out_.clear(), out_.push('/'); }

  constexpr void put(char c) {
    if (c == '/') return finish_segment(), open_segment();
    if (hidden_ == 0) out_.push(c);
    only_dots_ = only_dots_ && c == '.';
    ++length_;
  }
  // "." and ".." leave an empty segment open.
  constexpr void finish_segment() {
    const bool dots = only_dots_ && (length_ == 1 || length_ == 2);
    if (!dots) return;
    empty_segment();
    if (length_ == 2) leave_segment();
    length_ = 0;
  }

 private:
  constexpr void open_segment() {
    if (length_ > 0) {
      if (hidden_ > 0 || out_.full()) {
        ++hidden_;
      } else {
        out_.push('/');
      }
    }
    length_ = 0;
    only_dots_ = true;
  }
  constexpr void empty_segment() {
    while (hidden_ == 0 && !out_.view().ends_with("/")) out_.cut(out_.view().size() - 1);
  }
  constexpr void leave_segment() {
    if (hidden_ > 0) {
      --hidden_;
    } else if (out_.view().size() > 1) {
      out_.cut(out_.view().size() - 1);
    }
    empty_segment();
  }

  Buffer<kCapacity>& out_;
  size_t hidden_ = 0;  // open segments that begin behind the buffer's end
  size_t length_ = 0;  // of the segment that is being written
  bool only_dots_ = true;
};

// The path as servers route it: percent-decoded once, "//" merged, "." and ".." resolved, never above the
// root: "/a/%2e%2e//Admin/" becomes "/Admin/". A result longer than the buffer is cut to its true first
// bytes, so that no length evades a check of its beginning.
template <size_t kCapacity>
constexpr void normalize_path(StringView path, Buffer<kCapacity>& out) {
  PathNormalizer<kCapacity> normalizer(out);
  while (!path.empty()) normalizer.put(take_decoded(path));
  normalizer.finish_segment();
}

}  // namespace secbeat::guest
