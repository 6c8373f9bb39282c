#include "rule_counts.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPatience{2000};

using Answers = std::vector<std::optional<fleet::RuleCounts>>;

void note(const std::vector<std::string>& nodes, const fleet::CallAnswer& answer, Answers& answers,
          std::size_t& awaited) {
  if (answer.tag >= nodes.size() || awaited == 0) return;
  --awaited;
  if (!answer.data) return;  // nobody listens there: the node is away, or of a version that does not count
  auto counts = fleet::rule_counts_from_json(*answer.data);
  if (!counts) return spdlog::warn("fleet: {}: counts of rules: {}", nodes[answer.tag], counts.error().message);
  answers[answer.tag] = *std::move(counts);
}

void add(std::map<std::string, fleet::RuleCount>& sums, const fleet::RuleCounts& counts) {
  for (const fleet::RuleCount& one : counts.rules) {
    fleet::RuleCount& sum = sums[one.id];
    sum.id = one.id;
    sum.blocks += one.blocks;
    sum.logs += one.logs;
    sum.rate_limits += one.rate_limits;
    sum.last_unix_ms = std::max(sum.last_unix_ms, one.last_unix_ms);
  }
}

}  // namespace

const fleet::RuleCount* CountedRules::find(std::string_view id) const {
  const auto found = std::ranges::find(rules, id, &fleet::RuleCount::id);
  return found == rules.end() ? nullptr : &*found;
}

Result<CountedRules> ask_rule_counts(fleet::Connection& connection, const std::vector<std::string>& nodes) {
  auto calls = connection.calls();
  if (!calls) return std::unexpected(calls.error());
  std::size_t awaited = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if ((*calls)->send(fleet::rules_subject(nodes[i]), "", i)) ++awaited;
  }
  Answers answers(nodes.size());
  const auto until = Steady::now() + kPatience;
  while (awaited > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now());
    if (left.count() <= 0) break;
    for (const fleet::CallAnswer& answer : (*calls)->take(left)) note(nodes, answer, answers, awaited);
  }
  CountedRules counted;
  std::map<std::string, fleet::RuleCount> sums;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (answers[i]) {
      add(sums, *answers[i]);
      counted.blocks += answers[i]->blocks;
      counted.nodes.push_back(nodes[i]);
    }
    if (!answers[i] || answers[i]->is_cut) counted.silent.push_back(nodes[i]);
  }
  for (auto& [id, sum] : sums) counted.rules.push_back(std::move(sum));
  return counted;
}

}  // namespace secbeat::orchestrator
