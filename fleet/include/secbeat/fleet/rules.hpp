// What the fleet keeps and says of rules, as JSON: docs/fleet_protocol.md.
//
// Value types; thread safety as for std::string.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::fleet {

inline constexpr std::size_t kMaxEnteredRules = 200;
inline constexpr std::size_t kMaxEnteredBytes = std::size_t{64} * 1024;  // of one rule
inline constexpr std::size_t kMaxRuleEnds = 2000;
inline constexpr std::size_t kMaxRuleId = 100;
inline constexpr std::size_t kMaxRuleCounts = 2000;

// A rule that waits beside the document of rules until somebody deploys it. The key "entered".
struct EnteredRule {
  std::string id;
  std::string rule;  // JSON, as it came
  std::string by = {};

  bool operator==(const EnteredRule&) const = default;
};
struct EnteredRules {
  std::vector<EnteredRule> rules = {};

  [[nodiscard]] const EnteredRule* find(std::string_view id) const;
  bool operator==(const EnteredRules&) const = default;
};

// A rule as long as it is the same one, whose end has come: an id may come again. The key "ended" has those whose end
// is told.
struct RuleEnd {
  std::string id;
  std::string created_at = {};  // as the rule says; may be empty
  std::string expires_at;       // RFC 3339

  auto operator<=>(const RuleEnd&) const = default;
};
struct RuleEnds {
  std::vector<RuleEnd> told = {};  // the oldest first

  bool operator==(const RuleEnds&) const = default;
};

// What a node has counted of universal-waf's rules, over restarts.
struct RuleCount {
  std::string id;
  std::uint64_t blocks = 0;
  std::uint64_t logs = 0;
  std::uint64_t rate_limits = 0;
  std::uint64_t last_unix_ms = 0;  // 0: it has decided no request

  bool operator==(const RuleCount&) const = default;
};
struct RuleCounts {
  std::string node;
  std::uint64_t blocks = 0;           // of all rules, those that are not listed included
  bool is_cut = false;                // there are more; those that decided last are listed
  std::vector<RuleCount> rules = {};  // that have decided a request

  bool operator==(const RuleCounts&) const = default;
};

std::string to_json(const EnteredRules& entered);
std::string to_json(const RuleEnds& ends);
std::string to_json(const RuleCounts& counts);

// kProtocol says what is wrong, and where.
Result<EnteredRules> entered_rules_from_json(std::string_view text);
Result<RuleEnds> rule_ends_from_json(std::string_view text);
Result<RuleCounts> rule_counts_from_json(std::string_view text);

}  // namespace secbeat::fleet
