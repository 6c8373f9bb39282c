#include "lost_rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

namespace secbeat::agent {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestId = 64;
constexpr std::size_t kMostTold = 10;
constexpr int kDepthOfARule = 2;

bool is_plain(std::string_view id) {
  return !id.empty() && id.size() <= kLongestId &&
         std::ranges::all_of(id, [](char c) { return c > ' ' && c < '\x7f' && c != ',' && c != ';'; });
}

std::vector<std::string> ids_of(std::string_view text) {
  std::vector<std::string> ids;
  // What lies deeper than a rule's own members is not kept, however deep it is.
  const auto only_rules = [](int depth, Json::parse_event_t event, const Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    return !opens || depth <= kDepthOfARule;
  };
  const Json config = Json::parse(text, only_rules, false);
  if (!config.is_object() || !config.contains("rules") || !config["rules"].is_array()) return ids;
  for (const Json& rule : config["rules"]) {
    if (!rule.is_object() || !rule.contains("id") || !rule["id"].is_string()) continue;
    if (const auto& id = rule["id"].get_ref<const std::string&>(); is_plain(id)) ids.push_back(id);
  }
  return ids;
}

}  // namespace

std::vector<std::string> lost_rules(std::string_view before, std::string_view after) {
  std::vector<std::string> lost = ids_of(before);
  const std::vector<std::string> kept = ids_of(after);
  const std::set<std::string_view> there(kept.begin(), kept.end());
  std::erase_if(lost, [&](const std::string& id) { return there.contains(id); });
  return lost;
}

std::string told_as_lost(const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  const std::span told(ids.begin(), std::min(ids.size(), kMostTold));
  const std::string rest = ids.size() > kMostTold ? fmt::format(" and {} more", ids.size() - kMostTold) : std::string();
  return fmt::format("; rules that are gone: {}{}", fmt::join(told, ", "), rest);
}

}  // namespace secbeat::agent
