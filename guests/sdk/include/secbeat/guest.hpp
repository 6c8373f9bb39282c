// The SDK for rule modules: the one header that a rule written in C++ includes.
//
//   #include <secbeat/guest.hpp>
//   using namespace secbeat::guest;
//   SECBEAT_MODULE("no-trace", "1.0.0")
//
//   Decision inspect(const Request& request) {
//     if (request.method() == "TRACE") return block("trace-method", "TRACE is not served here");
//     return allow();
//   }
//
// secbeat_add_guest(no-trace SOURCES no_trace.cpp) builds it. The module speaks ABI 2 (docs/abi.md) and
// imports nothing. There is no standard library; globals must be constant-initialised.
//
// On a host the header compiles as well, without the exports, so that rules are unit-tested as ordinary
// code: the Request view is made from any bytes.
//
// Thread safety: an instance runs one call at a time, and instances share nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "secbeat/abi/frame.h"

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
  [[nodiscard]] constexpr bool contains(StringView text) const { return has<Case::kExact>(text); }
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
  [[nodiscard]] constexpr bool contains_ignore_case(StringView text) const { return has<Case::kIgnored>(text); }
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

  template <Case kCase>
  [[nodiscard]] constexpr bool has_at(size_t place, StringView text) const {
    const StringView here(data_ + place, text.size_);
    return kCase == Case::kExact ? here == text : here.equals_ignore_case(text);
  }
  template <Case kCase>
  [[nodiscard]] constexpr bool has_between(size_t first, size_t last, StringView text) const {
    for (size_t i = first; i < last; ++i) {
      if (has_at<kCase>(i, text)) return true;
    }
    return false;
  }
  // Sixteen places at a time where there are as many, the last sixteen a second time where they do not divide.
  template <Case kCase>
  [[nodiscard]] constexpr bool has(StringView text) const {
    if (text.empty()) return true;
    if (text.size_ > size_) return false;
    const size_t places = size_ - text.size_ + 1;
    if consteval {
      return has_between<kCase>(0, places, text);
    }
    const bool whole = places >= detail::kLanes;
    const detail::Ends ends(text.data_, text.size_, kCase == Case::kIgnored);
    for (size_t i = 0; i < places; i += detail::kLanes) {
      const size_t first = whole && i + detail::kLanes > places ? places - detail::kLanes : i;
      if (whole && !ends.may_be_at(data_ + first)) continue;
      if (has_between<kCase>(first, whole ? first + detail::kLanes : places, text)) return true;
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

struct Header {
  StringView name;  // lower case
  StringView value;
};

// A request, read in place from an ABI 2 frame. Every offset is checked at every access: what lies outside
// the frame reads as empty or 0, whatever the bytes are.
class Request {
 public:
  Request(const void* frame, size_t size) : bytes_(static_cast<const char*>(frame)), size_(size) {
    if (const uint32_t total = u32(offsetof(abi::Frame, total_len)); total < size_) size_ = total;
  }

  // Whether this is a frame at all: what else is read from one that is not is empty.
  [[nodiscard]] bool valid() const {
    return u32(offsetof(abi::Frame, magic)) == abi::kFrameMagic && fixed_len() >= sizeof(abi::Frame) &&
           fixed_len() <= size_;
  }

  [[nodiscard]] StringView method() const { return text(offsetof(abi::Frame, method)); }
  [[nodiscard]] StringView uri() const { return text(offsetof(abi::Frame, uri)); }  // as received
  [[nodiscard]] StringView version() const { return text(offsetof(abi::Frame, version)); }
  [[nodiscard]] StringView source_ip() const { return text(offsetof(abi::Frame, source_ip)); }
  [[nodiscard]] StringView host() const { return text(offsetof(abi::Frame, host)); }
  [[nodiscard]] StringView body() const { return text(offsetof(abi::Frame, body)); }
  [[nodiscard]] StringView server_ip() const { return text(offsetof(abi::Frame, server_ip)); }
  [[nodiscard]] StringView request_id() const { return text(offsetof(abi::Frame, request_id)); }
  [[nodiscard]] uint32_t source_port() const { return u32(offsetof(abi::Frame, source_port)); }
  [[nodiscard]] uint32_t server_port() const { return u32(offsetof(abi::Frame, server_port)); }
  [[nodiscard]] uint32_t flags() const { return u32(offsetof(abi::Frame, flags)); }  // abi::FrameFlags
  [[nodiscard]] uint64_t now_unix_ms() const { return u64(offsetof(abi::Frame, now_unix_ms)); }
  // abi::kBodyLengthUnknown where nobody knows; may exceed body().size().
  [[nodiscard]] uint64_t body_total_len() const { return u64(offsetof(abi::Frame, body_total_len)); }

  // The URI without query and fragment, still encoded; normalize_path() makes it comparable.
  [[nodiscard]] StringView path() const { return target().first(path_length()); }
  // What follows the '?', still encoded.
  [[nodiscard]] StringView query() const {
    const StringView rest = target().from(path_length());
    return rest.starts_with("?") ? rest.from(1).first(rest.from(1).find('#')) : StringView();
  }

  // In the order received; a name may come more than once.
  class HeaderIterator;
  [[nodiscard]] HeaderIterator begin() const;
  [[nodiscard]] HeaderIterator end() const;
  [[nodiscard]] uint32_t header_count() const {
    const uint64_t table = uint64_t{header_entries()} * sizeof(abi::FrameHeaderField);
    return valid() && headers_off() + table <= size_ ? header_entries() : 0;
  }
  [[nodiscard]] Header header_at(uint32_t index) const {
    const size_t entry = static_cast<size_t>(headers_off()) + index * sizeof(abi::FrameHeaderField);
    return {text(entry), text(entry + sizeof(abi::Span))};
  }
  // The first header of this lower-case name; empty where there is none.
  [[nodiscard]] StringView header(StringView name) const;
  [[nodiscard]] bool has_header(StringView name) const;
  // The first cookie of this name; empty where there is none.
  [[nodiscard]] StringView cookie(StringView name) const;

 private:
  [[nodiscard]] uint32_t u32(size_t at) const {
    uint32_t value = 0;
    if (at <= size_ && size_ - at >= sizeof value) __builtin_memcpy(&value, bytes_ + at, sizeof value);
    return value;
  }
  [[nodiscard]] uint64_t u64(size_t at) const { return u32(at) | uint64_t{u32(at + 4)} << 32U; }
  [[nodiscard]] StringView text(size_t span_at) const {
    const size_t off = u32(span_at);
    const size_t len = u32(span_at + 4);
    return off <= size_ && len <= size_ - off ? StringView(bytes_ + off, len) : StringView();
  }
  [[nodiscard]] uint32_t fixed_len() const { return u32(offsetof(abi::Frame, fixed_len)); }
  [[nodiscard]] uint32_t header_entries() const { return u32(offsetof(abi::Frame, header_count)); }
  [[nodiscard]] uint64_t headers_off() const { return u32(offsetof(abi::Frame, headers_off)); }
  // The URI from its path on: "http://host/path" is a legal request target as well.
  [[nodiscard]] StringView target() const {
    const StringView all = uri();
    const size_t colon = all.starts_with("/") ? StringView::kNotFound : all.find(':');
    if (colon == StringView::kNotFound || !all.from(colon).starts_with("://")) return all;
    const StringView rest = all.from(colon + 3);
    return rest.from(rest.find('/'));
  }
  [[nodiscard]] size_t path_length() const {
    const StringView all = target();
    const size_t query = all.find('?');
    const size_t fragment = all.find('#');
    return query < fragment ? query : fragment;
  }

  const char* bytes_;
  size_t size_;
};

class Request::HeaderIterator {
 public:
  constexpr HeaderIterator(const Request& request, uint32_t index) : request_(&request), index_(index) {}
  Header operator*() const { return request_->header_at(index_); }
  constexpr HeaderIterator& operator++() { return ++index_, *this; }
  friend constexpr bool operator==(HeaderIterator a, HeaderIterator b) { return a.index_ == b.index_; }

 private:
  const Request* request_;
  uint32_t index_;
};

inline Request::HeaderIterator Request::begin() const { return {*this, 0}; }
inline Request::HeaderIterator Request::end() const { return {*this, header_count()}; }

inline StringView Request::header(StringView name) const {
  for (const Header header : *this) {
    if (header.name == name) return header.value;
  }
  return {};
}

inline bool Request::has_header(StringView name) const {
  for (const Header header : *this) {
    if (header.name == name) return true;
  }
  return false;
}

inline StringView Request::cookie(StringView name) const {
  for (const Header header : *this) {
    if (header.name != "cookie") continue;
    for (StringView rest = header.value; !rest.empty(); rest = rest.from(rest.first(rest.find(';')).size() + 1)) {
      const StringView pair = rest.first(rest.find(';')).trimmed();
      const size_t equals = pair.find('=');
      if (equals != StringView::kNotFound && pair.first(equals) == name) return pair.from(equals + 1);
    }
  }
  return {};
}

using abi::Verdict;

// What a rule answers: the verdict and, for whoever reads the log, which rule decided and why. The texts are
// copied when inspect() has returned: they may lie in the frame or in a global Buffer, not on its stack.
struct Decision {
  Verdict verdict = Verdict::kAllow;
  StringView rule = "";
  StringView message = "";
  int32_t score = 0;
};

constexpr Decision allow() { return {}; }
constexpr Decision block(StringView rule, StringView message) { return {Verdict::kBlock, rule, message}; }
constexpr Decision log_only(StringView rule, StringView message) { return {Verdict::kLog, rule, message}; }
constexpr Decision rate_limit(StringView rule, StringView message) { return {Verdict::kRateLimit, rule, message}; }

// What configure() answers: accepted, or why not (which key, which rule, which place), for a person.
struct Configured {
  bool accepted;
  StringView reason;
};

constexpr Configured accept() { return {true, {}}; }
constexpr Configured reject(StringView reason) { return {false, reason}; }

}  // namespace secbeat::guest

#include "secbeat/guest/inventory.hpp"

#if defined(__wasm__)
#include "secbeat/guest/exports.hpp"
#else
// A host builds the rules alone; the exports exist in modules only.
#define SECBEAT_MODULE(name, version) SECBEAT_UNNAMED_MODULE
#define SECBEAT_UNNAMED_MODULE \
  [[maybe_unused]] static ::secbeat::guest::Decision inspect(const ::secbeat::guest::Request&);
#define SECBEAT_CONFIGURE [[maybe_unused]] static ::secbeat::guest::Configured configure(::secbeat::guest::StringView);
#define SECBEAT_NEEDS(needs)
#define SECBEAT_INVENTORY [[maybe_unused]] static void list_rules(::secbeat::guest::Inventory&);
#endif
