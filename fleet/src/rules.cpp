#include "secbeat/fleet/rules.hpp"

#include "json_reader.hpp"

namespace secbeat::fleet {
namespace {

EnteredRules read_entered(const Reader& reader) {
  EnteredRules entered;
  reader.each("rules", [&](const Reader& item) {
    entered.rules.push_back(
        {.id = item.text("id", kMaxRuleId), .rule = item.text("rule", kMaxEnteredBytes), .by = item.text("by")});
  });
  return entered;
}

RuleEnds read_ends(const Reader& reader) {
  RuleEnds ends;
  reader.each("told", [&](const Reader& item) {
    ends.told.push_back({.id = item.text("id", kMaxRuleId),
                         .created_at = item.text("created_at"),
                         .expires_at = item.text("expires_at")});
  });
  return ends;
}

RuleCounts read_rule_counts(const Reader& reader) {
  RuleCounts counts{.node = reader.name("node"), .blocks = reader.number("blocks"), .is_cut = reader.flag("is_cut")};
  reader.each("rules", [&](const Reader& item) {
    counts.rules.push_back({.id = item.text("id", kMaxRuleId),
                            .blocks = item.number("blocks"),
                            .logs = item.number("logs"),
                            .rate_limits = item.number("rate_limits"),
                            .last_unix_ms = item.number("last_unix_ms")});
  });
  return counts;
}

}  // namespace

const EnteredRule* EnteredRules::find(std::string_view id) const {
  const auto found = std::ranges::find(rules, id, &EnteredRule::id);
  return found == rules.end() ? nullptr : &*found;
}

std::string to_json(const EnteredRules& entered) {
  Json rules = Json::array();
  for (const EnteredRule& one : entered.rules) {
    rules.push_back({{"id", one.id}, {"rule", one.rule}, {"by", cut(one.by, kMaxWord)}});
  }
  return dump({{"format", kFormat}, {"rules", std::move(rules)}});
}

std::string to_json(const RuleEnds& ends) {
  Json told = Json::array();
  for (const RuleEnd& one : ends.told) {
    told.push_back(
        {{"id", one.id}, {"created_at", cut(one.created_at, kMaxWord)}, {"expires_at", cut(one.expires_at, kMaxWord)}});
  }
  return dump({{"format", kFormat}, {"told", std::move(told)}});
}

std::string to_json(const RuleCounts& counts) {
  Json rules = Json::array();
  for (const RuleCount& one : counts.rules) {
    rules.push_back({{"id", one.id},
                     {"blocks", one.blocks},
                     {"logs", one.logs},
                     {"rate_limits", one.rate_limits},
                     {"last_unix_ms", one.last_unix_ms}});
  }
  return dump({{"format", kFormat},
               {"node", counts.node},
               {"blocks", counts.blocks},
               {"is_cut", counts.is_cut},
               {"rules", std::move(rules)}});
}

Result<EnteredRules> entered_rules_from_json(std::string_view text) { return read("entered", text, &read_entered); }
Result<RuleEnds> rule_ends_from_json(std::string_view text) { return read("ended", text, &read_ends); }
Result<RuleCounts> rule_counts_from_json(std::string_view text) { return read("rules", text, &read_rule_counts); }

}  // namespace secbeat::fleet
