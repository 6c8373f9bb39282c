#include "secbeat/engine/inventory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "secbeat/base/text.hpp"

namespace secbeat::engine {
namespace {

using Json = nlohmann::json;

// The array, a rule, its tags. What lies deeper is not kept, however deep it is.
constexpr int kDeepest = 2;

Error bad(std::string what) { return {ErrorCode::kBadJson, std::move(what)}; }

// Goes into answers, logs and a terminal.
bool is_plain(std::string_view text, std::size_t limit) {
  if (text.size() > limit) return false;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid || steers(character.code)) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

Result<std::string> read_text(const Json& rule, const char* key, std::size_t number) {
  const auto found = rule.find(key);
  if (found == rule.end()) return std::string();
  if (!found->is_string() || !is_plain(found->get_ref<const std::string&>(), kMaxRuleIdBytes)) {
    return std::unexpected(
        bad(fmt::format("rule {}: \"{}\" must be a text of at most {} bytes without control characters", number, key,
                        kMaxRuleIdBytes)));
  }
  return found->get<std::string>();
}

Result<std::vector<std::string>> read_tags(const Json& rule, std::size_t number) {
  std::vector<std::string> tags;
  const auto found = rule.find("tags");
  if (found == rule.end()) return tags;
  const auto is_tag = [](const Json& tag) {
    return tag.is_string() && is_plain(tag.get_ref<const std::string&>(), kMaxRuleTagBytes);
  };
  if (!found->is_array() || found->size() > kMaxRuleTags || !std::ranges::all_of(*found, is_tag)) {
    return std::unexpected(
        bad(fmt::format("rule {}: \"tags\" must be at most {} texts of at most {} bytes without "
                        "control characters",
                        number, kMaxRuleTags, kMaxRuleTagBytes)));
  }
  for (const Json& tag : *found) tags.push_back(tag.get<std::string>());
  return tags;
}

Result<InventoryRule> read_rule(const Json& json, std::size_t number) {
  if (!json.is_object()) return std::unexpected(bad(fmt::format("rule {} is no object", number)));
  auto id = read_text(json, "id", number);
  if (!id) return std::unexpected(id.error());
  if (id->empty()) return std::unexpected(bad(fmt::format("rule {} has no \"id\"", number)));
  auto hash = read_text(json, "hash", number);
  if (!hash) return std::unexpected(hash.error());
  auto tags = read_tags(json, number);
  if (!tags) return std::unexpected(tags.error());
  return InventoryRule{*std::move(id), *std::move(hash), *std::move(tags)};
}

}  // namespace

Result<Inventory> read_inventory(std::string_view text) {
  if (text.size() > kMaxInventoryBytes) {
    return std::unexpected(bad(fmt::format("it has {} bytes, the limit is {}", text.size(), kMaxInventoryBytes)));
  }
  const auto shallow = [](int depth, Json::parse_event_t event, const Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    return !opens || depth <= kDeepest;
  };
  const Json json = Json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!json.is_array()) return std::unexpected(bad("it is no JSON array"));
  if (json.size() > kMaxInventoryRules) {
    return std::unexpected(bad(fmt::format("it lists {} rules, the limit is {}", json.size(), kMaxInventoryRules)));
  }
  Inventory inventory;
  inventory.reserve(json.size());
  std::unordered_set<std::string_view> ids;
  for (const Json& item : json) {
    auto rule = read_rule(item, inventory.size() + 1);
    if (!rule) return std::unexpected(rule.error());
    inventory.push_back(*std::move(rule));  // reserved: what `ids` points at stays
    if (!ids.insert(inventory.back().id).second) {
      return std::unexpected(bad(fmt::format("two rules have the id \"{}\"", inventory.back().id)));
    }
  }
  return inventory;
}

std::string to_json(const Inventory& inventory) {
  Json list = Json::array();
  for (const InventoryRule& rule : inventory) {
    Json item = {{"id", rule.id}};
    if (!rule.hash.empty()) item["hash"] = rule.hash;
    if (!rule.tags.empty()) item["tags"] = rule.tags;
    list.push_back(std::move(item));
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace secbeat::engine
