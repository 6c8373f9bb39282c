#include "rule_counts.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPatience{2000};

// Adds up each answer when it comes, so that those of a large fleet are never kept side by side.
class Adding {
 public:
  explicit Adding(const std::vector<std::string>& nodes) : nodes_(nodes), states_(nodes.size()) {}

  void await(std::size_t node) {
    states_[node] = State::kAwaited;
    ++awaited_;
  }
  [[nodiscard]] bool has_all() const { return awaited_ == 0; }
  void note(const fleet::CallAnswer& answer);
  [[nodiscard]] CountedRules end();

 private:
  enum class State : std::uint8_t { kSilent, kAwaited, kCut, kWhole };

  void add(const fleet::RuleCounts& counts);

  const std::vector<std::string>& nodes_;
  std::vector<State> states_;
  std::size_t awaited_ = 0;
  std::map<std::string, fleet::RuleCount> sums_;
  std::uint64_t blocks_ = 0;
};

// Of each node the first answer counts.
void Adding::note(const fleet::CallAnswer& answer) {
  if (answer.tag >= nodes_.size() || states_[answer.tag] != State::kAwaited) return;
  --awaited_;
  states_[answer.tag] = State::kSilent;
  if (!answer.data) return;  // nobody listens there: the node is away, or of a version that does not count
  const auto counts = fleet::rule_counts_from_json(*answer.data);
  if (!counts) return spdlog::warn("fleet: {}: counts of rules: {}", nodes_[answer.tag], counts.error().message);
  states_[answer.tag] = counts->is_cut ? State::kCut : State::kWhole;
  add(*counts);
}

void Adding::add(const fleet::RuleCounts& counts) {
  blocks_ += counts.blocks;
  for (const fleet::RuleCount& one : counts.rules) {
    fleet::RuleCount& sum = sums_[one.id];
    sum.id = one.id;
    sum.blocks += one.blocks;
    sum.logs += one.logs;
    sum.rate_limits += one.rate_limits;
    sum.last_unix_ms = std::max(sum.last_unix_ms, one.last_unix_ms);
  }
}

CountedRules Adding::end() {
  CountedRules counted{.blocks = blocks_};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (states_[i] == State::kCut || states_[i] == State::kWhole) counted.nodes.push_back(nodes_[i]);
    if (states_[i] != State::kWhole) counted.silent.push_back(nodes_[i]);
  }
  for (auto& [id, sum] : sums_) counted.rules.push_back(std::move(sum));
  return counted;
}

}  // namespace

const fleet::RuleCount* CountedRules::find(std::string_view id) const {
  const auto found = std::ranges::find(rules, id, &fleet::RuleCount::id);
  return found == rules.end() ? nullptr : &*found;
}

Result<CountedRules> ask_rule_counts(fleet::Connection& connection, const std::vector<std::string>& nodes) {
  auto calls = connection.calls();
  if (!calls) return std::unexpected(calls.error());
  Adding adding(nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if ((*calls)->send(fleet::rules_subject(nodes[i]), "", i)) adding.await(i);
  }
  const auto until = Steady::now() + kPatience;
  while (!adding.has_all()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now());
    if (left.count() <= 0) break;
    for (const fleet::CallAnswer& answer : (*calls)->take(left)) adding.note(answer);
  }
  return adding.end();
}

}  // namespace secbeat::orchestrator
