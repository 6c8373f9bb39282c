// TOML from files that a person wrote and anybody may have changed: bounded, and read by one parser.
//
// What this product's files do not need and the parser does not bear is refused: dotted keys of many parts, deep
// nesting, texts over several lines, characters beyond ASCII elsewhere than in comments and in a text that is all that
// follows its key.
//
// Thread safety: a free function without shared state; the document is a value.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace secbeat::toml_file {

struct Entry;
using Table = std::vector<Entry>;  // sorted by name; a name is there once

struct Node;
using Array = std::vector<Node>;

// A date or time: this product's files have none, so its value is not kept.
struct DateOrTime {};

struct Node {
  std::variant<bool, std::int64_t, double, std::string, DateOrTime, Array, Table> value;
  int line = 1;  // where the value begins
};

struct Entry {
  std::string name;
  int line = 1;  // where the name stands
  Node node;
};

// What is wrong with the text as TOML.
struct Fault {
  int line = 1;
  std::string what;  // printable ASCII
};

// Bounded by the text's size; nesting of at most 16 levels.
std::expected<Table, Fault> parse(std::string_view text);

// "a table", "a list", "a text", … for messages.
std::string_view kind_of(const Node& node);

}  // namespace secbeat::toml_file
