#include "rule_counts_report.hpp"

#include <algorithm>

#include "secbeat/agent/rule_document.hpp"

namespace secbeat::agent {

fleet::RuleCounts rule_counts(const std::string& node, const std::vector<RuleTally>& tallies) {
  fleet::RuleCounts counts{.node = node};
  for (const RuleTally& tally : tallies) {
    // A module that names itself otherwise may give ids that are none of universal-waf's.
    if (tally.module != kRulesModule || !is_rule_id(tally.rule)) continue;
    const auto& [blocks, logs, rate_limits] = tally.total;
    counts.blocks += blocks;
    counts.rules.push_back({.id = tally.rule,
                            .blocks = blocks,
                            .logs = logs,
                            .rate_limits = rate_limits,
                            .last_unix_ms = tally.last_unix_ms});
  }
  counts.is_cut = counts.rules.size() > fleet::kMaxRuleCounts;
  if (!counts.is_cut) return counts;
  std::ranges::sort(counts.rules, std::greater(), &fleet::RuleCount::last_unix_ms);
  counts.rules.resize(fleet::kMaxRuleCounts);
  return counts;
}

}  // namespace secbeat::agent
