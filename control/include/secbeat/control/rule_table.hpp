// Verdicts by rule: a table of the scoreboard in which all workers count together.
//
// A rule's entry is found by a hash of its module and its id, in a run of neighbours; the first verdict of a rule takes
// a free one. Counting is one atomic addition: exact over any number of workers, and of no interest to a worker that
// dies or to an nginx that reloads, because the numbers are not the worker's. Who takes an entry writes its text;
// should it die before the text is whole, the next one that counts there writes it.
//
// The table is bounded: a rule that finds no entry is counted with all such rules together. Only the agent frees
// entries.
//
// Thread safety: count_rule() by the event loops of any number of processes, reading from anywhere, free_rule() by one
// process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/control/counter.hpp"

namespace secbeat::control {

// All but Allow, in the order of the verdicts: Block, Log, RateLimit.
inline constexpr std::size_t kRuleVerdicts = 3;
using RuleVerdicts = std::array<std::uint64_t, kRuleVerdicts>;

inline constexpr std::size_t kRuleEntries = 8192;
// The module's name, a zero byte, the rule's id. What is longer is cut: ids that begin with the same 140 bytes are
// counted as one.
inline constexpr std::size_t kRuleTextBytes = 208;

struct alignas(64) RuleEntry {
  Counter key;       // hash of the text; 0: free
  Counter has_text;  // 1: the text is whole
  Counter verdicts[kRuleVerdicts];
  Counter last_unix_ms;  // of the newest verdict
  Counter text[kRuleTextBytes / sizeof(Counter)];
};

struct RuleTable {
  alignas(64) Counter left_out[kRuleVerdicts];  // of rules that found no entry, together
  RuleEntry entries[kRuleEntries];
};

struct RuleCount {
  std::size_t entry = 0;
  std::string module;
  std::string rule;
  RuleVerdicts verdicts{};
  std::uint64_t last_unix_ms = 0;
};

// `verdict`: 0 Block, 1 Log, 2 RateLimit; `hash_seed` of the scoreboard's header. REQUIRES: verdict < kRuleVerdicts.
void count_rule(RuleTable& table, const std::uint64_t (&hash_seed)[2], std::string_view module, std::string_view rule,
                std::size_t verdict, std::uint64_t unix_ms) noexcept;

// The rules that have an entry. Workers write the table: what is in no form that count_rule() writes is left out. A
// rule may have two entries.
std::vector<RuleCount> read_rules(const RuleTable& table);
RuleVerdicts read_left_out(const RuleTable& table);

// Frees the entry; what it had counted until then. A verdict at this very moment may be lost: for rules that are no
// longer in force.
RuleVerdicts free_rule(RuleTable& table, std::size_t entry) noexcept;

// Adds what `from` has counted to `to`, which has another seed perhaps.
void add_rules(RuleTable& to, const std::uint64_t (&hash_seed)[2], const RuleTable& from);

}  // namespace secbeat::control
