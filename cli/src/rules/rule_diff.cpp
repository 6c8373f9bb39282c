#include "rules/rule_diff.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "rules/rule_file.hpp"

namespace secbeat::cli {
namespace {

constexpr const char* kAddedByTheNode = "created_at";

using ById = std::unordered_map<std::string_view, const Json*>;

ById by_id(const Json& document) {
  ById rules;
  for (const Json& rule : document.at("rules")) rules.emplace(id_of(rule), &rule);
  return rules;
}

// Members in whatever order say the same.
bool same(const Json& a, const Json& b) { return nlohmann::json(a) == nlohmann::json(b); }

std::vector<std::string> keys_that_differ(const Json& before, const Json& after) {
  std::vector<std::string> keys;
  const auto add_missing = [&](const Json& from, const Json& in) {
    for (const auto& [key, value] : from.items()) {
      if (!in.contains(key) && key != kAddedByTheNode) keys.push_back(key);
    }
  };
  for (const auto& [key, value] : after.items()) {
    if (before.contains(key) && !same(before.at(key), value)) keys.push_back(key);
  }
  add_missing(after, before);
  add_missing(before, after);
  return keys;
}

std::vector<std::string_view> common_order(const Json& document, const ById& other) {
  std::vector<std::string_view> ids;
  for (const Json& rule : document.at("rules")) {
    if (other.contains(id_of(rule))) ids.push_back(id_of(rule));
  }
  return ids;
}

Json without_rules(const Json& document) {
  Json rest = document;
  rest.erase("rules");
  return rest;
}

// Those of which both changes say something.
std::vector<std::string> common(const RuleDiff& mine, const RuleDiff& theirs) {
  const auto touched = [](const RuleDiff& diff) {
    std::set<std::string> ids(diff.added.begin(), diff.added.end());
    ids.insert(diff.removed.begin(), diff.removed.end());
    for (const ChangedRule& rule : diff.changed) ids.insert(rule.id);
    return ids;
  };
  const auto a = touched(mine);
  const auto b = touched(theirs);
  std::vector<std::string> both;
  std::ranges::set_intersection(a, b, std::back_inserter(both));
  return both;
}

}  // namespace

RuleDiff diff_rules(const Json& before, const Json& after) {
  RuleDiff diff;
  const ById old = by_id(before);
  const ById now = by_id(after);
  for (const Json& rule : after.at("rules")) {
    const auto known = old.find(id_of(rule));
    if (known == old.end()) {
      diff.added.push_back(id_of(rule));
      continue;
    }
    auto keys = keys_that_differ(*known->second, rule);
    if (!keys.empty()) diff.changed.push_back({id_of(rule), std::move(keys)});
  }
  for (const Json& rule : before.at("rules")) {
    if (!now.contains(id_of(rule))) diff.removed.push_back(id_of(rule));
  }
  diff.document_keys = keys_that_differ(without_rules(before), without_rules(after));
  diff.reordered = common_order(before, now) != common_order(after, old);
  return diff;
}

Json to_json(const RuleDiff& diff) {
  Json changed = Json::array();
  for (const ChangedRule& rule : diff.changed) changed.push_back({{"id", rule.id}, {"keys", rule.keys}});
  return {{"same", diff.empty()},          {"added", diff.added},         {"removed", diff.removed},
          {"changed", std::move(changed)}, {"reordered", diff.reordered}, {"document_keys", diff.document_keys}};
}

std::string render(const RuleDiff& diff) {
  std::string out;
  for (const std::string& id : diff.removed) out += paint(Tone::kBad, "- " + clean(id)) + "\n";
  for (const std::string& id : diff.added) out += paint(Tone::kGood, "+ " + clean(id)) + "\n";
  for (const ChangedRule& rule : diff.changed) {
    out += paint(Tone::kWarning,
                 fmt::format("~ {}: {}", clean(rule.id), clean(fmt::format("{}", fmt::join(rule.keys, ", "))))) +
           "\n";
  }
  if (!diff.document_keys.empty()) {
    out += fmt::format("beside the rules: {}\n", clean(fmt::format("{}", fmt::join(diff.document_keys, ", "))));
  }
  if (diff.reordered) out += "rules stand in another order: of one action, the first that holds decides\n";
  return out;
}

std::optional<Json> merge_rules(const Json& base, const Json& mine, const Json& theirs,
                                std::vector<std::string>& conflicts) {
  const RuleDiff my_diff = diff_rules(base, mine);
  const RuleDiff their_diff = diff_rules(base, theirs);
  if (their_diff.empty()) return mine;
  conflicts = common(my_diff, their_diff);
  if (my_diff.reordered) conflicts.emplace_back("(the order of the rules)");
  if (!my_diff.document_keys.empty() && !their_diff.document_keys.empty()) {
    conflicts.emplace_back("(what stands beside the rules)");
  }
  if (!conflicts.empty()) return std::nullopt;
  Json merged = my_diff.document_keys.empty() ? theirs : without_rules(mine);
  Json rules = Json::array();
  for (const Json& rule : theirs.at("rules")) {
    const std::string& id = id_of(rule);
    if (std::ranges::find(my_diff.removed, id) != my_diff.removed.end()) continue;
    const bool is_mine = std::ranges::find(my_diff.changed, id, &ChangedRule::id) != my_diff.changed.end();
    rules.push_back(is_mine ? *find_rule(mine, id) : rule);
  }
  for (const std::string& id : my_diff.added) rules.push_back(*find_rule(mine, id));
  merged["rules"] = std::move(rules);
  return merged;
}

}  // namespace secbeat::cli
