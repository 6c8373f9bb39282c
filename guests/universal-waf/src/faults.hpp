// What is wrong with a rule document, for the person who wrote it: rule, key, line and column, and what to do.
#pragma once

#include "json_reader.hpp"
#include "text.hpp"

namespace secbeat::waf {

class Faults {
 public:
  explicit Faults(StringView document) : document_(document) {}

  // What follows is about this rule. `number` counts from 1.
  void enter_rule(StringView id, uint32_t number) { id_ = id, number_ = number; }
  void leave_rule() { number_ = 0; }

  template <class... Parts>
  void add(uint32_t place, StringView key, const Parts&... parts) {
    if (!begin(place, key)) return;
    (put(parts), ...);
  }

  [[nodiscard]] bool none() const { return count_ == 0; }
  // All of them that there is room for.
  [[nodiscard]] StringView text();

 private:
  bool begin(uint32_t place, StringView key);
  void put(StringView text) { text_.append(text); }
  void put(uint64_t number);

  StringView document_;
  StringView id_;
  uint32_t number_ = 0;
  uint32_t count_ = 0;
  guest::Buffer<960> text_;  // the node reads 1,024 bytes
};

}  // namespace secbeat::waf
