// What a node remembers of its rules over restarts: verdicts by rule, and which rules' ends have been reported.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/rule_table.hpp"

namespace secbeat::agent {

struct HistoryRow;

// Verdicts of a rule: `total`, of which `base` are not in the scoreboard's table any more.
struct RuleTally {
  std::string module;
  std::string rule;
  control::RuleVerdicts base{};
  control::RuleVerdicts total{};
  std::uint64_t last_unix_ms = 0;
};

struct RememberedTallies {
  std::string board;  // the scoreboard that the bases belong to
  std::vector<RuleTally> tallies;
};

// A rule as long as it is the same one: an id may come again.
struct RuleLife {
  std::string rule;
  std::string created_at;  // as the rule says; may be empty
  std::string expires_at;  // RFC 3339
  auto operator<=>(const RuleLife&) const = default;
};

class RuleMemory {
 public:
  static constexpr std::size_t kMaxTallies = 20000;  // then those that have not matched for longest go
  static constexpr std::size_t kMaxEnds = 20000;     // the same

  virtual ~RuleMemory() = default;
  [[nodiscard]] virtual Result<RememberedTallies> rule_tallies() const = 0;
  virtual Result<void> keep_rule_tallies(std::string_view board, std::span<const RuleTally> changed) = 0;

  // Writes the row of the rule's end into the history, once for ever: the blocks of this life, which are those since an
  // end of the same id before. Nothing: it was written before.
  using EndRow = std::function<HistoryRow(std::uint64_t blocks)>;
  virtual Result<std::optional<std::uint64_t>> end_rule(const RuleLife& life, std::uint64_t total_blocks,
                                                        std::uint64_t version_id, const EndRow& row) = 0;
};

}  // namespace secbeat::agent
