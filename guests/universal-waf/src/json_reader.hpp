// JSON (RFC 8259) into a tree whose values know where they stand. For the rule document, whose author wants to be told
// line and column; bodies of requests are read by json_fields.hpp.
#pragma once

#include "memory.hpp"
#include "text.hpp"

namespace secbeat::waf {

enum class JsonType : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

struct JsonValue {
  JsonType type = JsonType::kNull;
  bool truth = false;                // of a bool
  uint32_t place = 0;                // where it begins, an offset into the document
  uint32_t end = 0;                  // behind its last byte
  uint32_t key_place = 0;            // of a member's key
  uint32_t count = 0;                // of its elements or members
  StringView key;                    // of a member
  StringView text;                   // a string's characters, a number as written
  const JsonValue* first = nullptr;  // element or member
  const JsonValue* next = nullptr;   // of the same array or object

  [[nodiscard]] bool is(JsonType wanted) const { return type == wanted; }
  // Null where there is none.
  [[nodiscard]] const JsonValue* member(StringView name) const;
};

struct JsonFault {
  uint32_t place = 0;
  StringView what;  // empty: none
};

inline constexpr uint32_t kDeepestJson = 32;

// Null, and why not, for what is no JSON. Strings without escapes point into `text`, others into `arena`.
const JsonValue* read_json(StringView text, Arena& arena, JsonFault& fault);

// Line and column of an offset, from 1. Columns count bytes.
struct Place {
  uint32_t line = 1;
  uint32_t column = 1;
};
Place place_of(StringView text, uint32_t offset);

}  // namespace secbeat::waf
