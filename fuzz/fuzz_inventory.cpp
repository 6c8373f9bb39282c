// Two inventories, as modules list their rules, with a zero byte between them: the one in force and that of an upload.
// What is taken survives being written and read again, and the difference adds up.
#include <string>

#include "fuzz_support.hpp"
#include "gates.hpp"
#include "secbeat/engine/inventory.hpp"

namespace {

using namespace secbeat;
using fuzz::require;

std::optional<engine::Inventory> rules_of(std::string_view text) {
  auto rules = engine::read_inventory(text);
  if (!rules) {
    require(rules.error().code == ErrorCode::kBadJson && rules.error().message.size() <= 512);
    return std::nullopt;
  }
  require(rules->size() <= engine::kMaxInventoryRules);
  const auto again = engine::read_inventory(engine::to_json(*rules));
  // Members that are ignored may have made room for what escapes need.
  require(again ? *again == *rules : engine::to_json(*rules).size() > engine::kMaxInventoryBytes);
  return *std::move(rules);
}

void check_difference(const std::optional<engine::Inventory>& now, const agent::Replaced& before) {
  const auto change = agent::compare(now, before);
  require(change.has_value() == (now || before.measures.inventory));
  if (!change) return;
  require(change->rules == (now ? now->size() : 0));
  if (before.measures.inventory) {
    require(change->rules_before == before.measures.inventory->size());
    require(change->rules_before - change->removed + change->added == change->rules);
    require(change->changed <= change->rules - change->added);
  }
  for (const auto* ids : {&change->added_ids, &change->removed_ids, &change->changed_ids}) {
    require(ids->size() <= agent::InventoryChange::kMostRulesTold);
  }
  require(agent::change_from_text(agent::to_text(change)) == change);
  if (const auto refused = agent::judge_inventory({}, change)) {
    require(refused->code == ErrorCode::kInventoryShrank && change->removed > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [before, now] = fuzz::split(fuzz::text_of(data, size), '\0');
  agent::Replaced replaced{.label = "v1", .measures = {}};
  replaced.measures.inventory = rules_of(before);
  check_difference(rules_of(now), replaced);
  return 0;
}
