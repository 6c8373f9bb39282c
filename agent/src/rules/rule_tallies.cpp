#include "rules/rule_tallies.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace secbeat::agent {
namespace {

constexpr std::size_t kCrowded = control::kRuleEntries / 4 * 3;
constexpr std::uint64_t kIdleMs = std::uint64_t{3600} * 1000;

// The seed is random for each file.
std::string name_of(const control::ScoreboardHeader& header) {
  return fmt::format("{:016x}{:016x}", header.hash_seed[0], header.hash_seed[1]);
}

struct Counted {
  control::RuleVerdicts verdicts{};
  std::uint64_t last_unix_ms = 0;
};

// What the table shows less of than before has been taken from it, and stays counted. True: the tally has changed.
bool bring_up(RuleTally& tally, const Counted& counted) {
  const auto before = tally.total;
  for (std::size_t i = 0; i < control::kRuleVerdicts; ++i) {
    const std::uint64_t now = counted.verdicts[i];
    if (tally.base[i] + now >= tally.total[i]) {
      tally.total[i] = tally.base[i] + now;
    } else {
      tally.base[i] = tally.total[i] - now;
    }
  }
  tally.last_unix_ms = std::max(tally.last_unix_ms, counted.last_unix_ms);
  return before != tally.total;
}

}  // namespace

RuleTallies::RuleTallies(control::Scoreboard& scoreboard, RuleMemory* memory)
    : scoreboard_(scoreboard), memory_(memory), board_(name_of(scoreboard.layout().header)) {
  if (memory_ == nullptr) return;
  auto remembered = memory_->rule_tallies();
  if (!remembered) {
    spdlog::warn("what rules did before is not known: {}", remembered.error().message);
    return;
  }
  const bool is_same_board = remembered->board == board_;
  for (RuleTally& tally : remembered->tallies) {
    if (!is_same_board) tally.base = tally.total;
    Key key{tally.module, tally.rule};
    entries_.emplace(std::move(key), Entry{std::move(tally), is_same_board});
  }
}

void RuleTallies::read_table() {
  std::map<Key, Counted> counted;
  for (control::RuleCount& rule : control::read_rules(scoreboard_.layout().rules)) {
    Counted& sum = counted[{std::move(rule.module), std::move(rule.rule)}];
    for (std::size_t i = 0; i < control::kRuleVerdicts; ++i) sum.verdicts[i] += rule.verdicts[i];
    sum.last_unix_ms = std::max(sum.last_unix_ms, rule.last_unix_ms);
  }
  for (auto& [key, entry] : entries_) {
    if (!counted.contains(key)) entry.tally.base = entry.tally.total;
  }
  for (const auto& [key, now] : counted) {
    Entry& entry = entries_.try_emplace(key, Entry{{key.first, key.second}, false}).first->second;
    if (bring_up(entry.tally, now)) entry.is_saved = false;
  }
}

std::vector<RuleTally> RuleTallies::all() {
  const std::scoped_lock lock(mutex_);
  read_table();
  std::vector<RuleTally> tallies;
  tallies.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) tallies.push_back(entry.tally);
  return tallies;
}

void RuleTallies::free_idle(const std::set<std::string>& in_force, SystemTime now) {
  control::RuleTable& table = scoreboard_.layout().rules;
  const auto rules = control::read_rules(table);
  if (rules.size() < kCrowded) return;
  for (const control::RuleCount& rule : rules) {
    if (in_force.contains(rule.rule) || rule.last_unix_ms + kIdleMs > unix_ms_of(now)) continue;
    RuleTally& tally = entries_[{rule.module, rule.rule}].tally;
    const control::RuleVerdicts last = control::free_rule(table, rule.entry);
    for (std::size_t i = 0; i < control::kRuleVerdicts; ++i) {
      tally.base[i] += last[i];
      tally.total[i] = std::max(tally.total[i], tally.base[i]);
    }
  }
}

void RuleTallies::forget_oldest() {
  if (entries_.size() <= RuleMemory::kMaxTallies) return;
  std::vector<std::pair<std::uint64_t, Key>> by_age;
  for (const auto& [key, entry] : entries_) by_age.emplace_back(entry.tally.last_unix_ms, key);
  std::ranges::sort(by_age);
  by_age.resize(entries_.size() - RuleMemory::kMaxTallies);
  for (const auto& [last, key] : by_age) entries_.erase(key);
}

void RuleTallies::save(const std::set<std::string>& in_force, SystemTime now) {
  const std::scoped_lock lock(mutex_);
  read_table();
  free_idle(in_force, now);
  forget_oldest();
  std::vector<RuleTally> changed;
  for (const auto& [key, entry] : entries_) {
    if (!entry.is_saved) changed.push_back(entry.tally);
  }
  if (changed.empty() || memory_ == nullptr) return;
  const auto kept = memory_->keep_rule_tallies(board_, changed);
  if (!kept && !is_failing_) spdlog::warn("counts of rules are in memory only: {}", kept.error().message);
  is_failing_ = !kept;
  if (!kept) return;
  for (auto& [key, entry] : entries_) entry.is_saved = true;
}

}  // namespace secbeat::agent
