// The rules that a module says it has: its `inventory` export, read strictly, because a stranger wrote it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

// Far above the largest public rule sets (thousands of rules), and little enough to compare and to store.
inline constexpr std::size_t kMaxInventoryBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxInventoryRules = 10'000;
inline constexpr std::size_t kMaxRuleIdBytes = 128;  // also of a rule's hash
inline constexpr std::size_t kMaxRuleTags = 16;
inline constexpr std::size_t kMaxRuleTagBytes = 64;

struct InventoryRule {
  std::string id;    // unique within the module
  std::string hash;  // changes with the rule; empty: the module gives none
  std::vector<std::string> tags;

  bool operator==(const InventoryRule&) const = default;
};
using Inventory = std::vector<InventoryRule>;

// The array [{"id","hash","tags"}, …] in the module's order. `id` is required and unlike any other; hash and tags may
// be absent, other members are ignored. kBadJson says what is wrong with it, and never repeats more of it than an id.
Result<Inventory> read_inventory(std::string_view text);

// The same array as JSON.
std::string to_json(const Inventory& inventory);

}  // namespace secbeat::engine
