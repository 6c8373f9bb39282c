// The rules of a module as the node lists and compares them (docs/abi.md, inventory), included by guest.hpp.
//
//   SECBEAT_INVENTORY
//   void list_rules(Inventory& rules) {
//     rules.add("admin-path", "/admin", "access");
//     for (const StringView bad : kBadAgents) rules.add(bad, bad, "scanner");
//   }
#pragma once

#include "secbeat/guest.hpp"

namespace secbeat::guest {

// Writes the JSON array. Thread safety: as everything here, one call at a time.
class Inventory {
 public:
  // Gives a place of at least `wanted` bytes that begins with the `used` bytes at `data`; null where there is none.
  using Room = char* (*)(char* data, size_t used, size_t wanted);
  explicit Inventory(Room room) : room_(room) { put('['); }

  // A rule: its id, unlike any other; what it consists of, so that the node can tell when it has changed (only a hash
  // of it is listed); and tags of your choice. Control characters become '?'; what is beyond ASCII has to be UTF-8.
  template <class... Tags>
  void add(StringView id, StringView content, const Tags&... tags) {
    const StringView all[] = {StringView(tags)..., StringView()};
    add_tagged(id, content, all, sizeof...(tags));
  }
  void add_tagged(StringView id, StringView content, const StringView* tags, size_t tag_count) {
    if (!first_) put(',');
    first_ = false;
    put_all("{\"id\":");
    put_text(id);
    put_all(",\"hash\":\"");
    put_hash(content);
    put('"');
    for (size_t i = 0; i < tag_count; ++i) {
      put_all(i == 0 ? StringView(",\"tags\":[") : StringView(","));
      put_text(tags[i]);
    }
    if (tag_count > 0) put(']');
    put('}');
  }

  // What was written; call it last. Nothing where the memory did not suffice.
  StringView finish() {
    put(']');
    return full_ ? StringView() : StringView(data_, size_);
  }

 private:
  void put(char c) {
    if (size_ == capacity_) grow();
    if (!full_) data_[size_++] = c;
  }
  void put_all(StringView text) {
    for (const char c : text) put(c);
  }
  void put_text(StringView text) {
    put('"');
    for (const char c : text) {
      if (c == '"' || c == '\\') put('\\');
      const auto byte = static_cast<unsigned char>(c);  // beyond ASCII: UTF-8, as the author's source is
      put(byte < 0x20 || byte == 0x7f ? '?' : c);
    }
    put('"');
  }
  // FNV-1a: for differences that nobody makes on purpose.
  void put_hash(StringView content) {
    uint64_t hash = 0xcbf2'9ce4'8422'2325U;
    for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01b3U;
    for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[(hash >> shift) & 15U]);
  }
  void grow() {
    constexpr size_t kStep = 4096;
    char* const room = full_ ? nullptr : room_(data_, size_, capacity_ + kStep);
    full_ = room == nullptr;
    if (full_) return;
    data_ = room;
    capacity_ += kStep;
  }

  Room room_;
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  bool first_ = true;
  bool full_ = false;
};

}  // namespace secbeat::guest
