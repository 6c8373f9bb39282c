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
#include "secbeat/guest/text.hpp"

namespace secbeat::guest {

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
