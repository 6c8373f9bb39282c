#include "secbeat/control/rule_table.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "secbeat/base/text.hpp"
#include "siphash.hpp"

namespace secbeat::control {
namespace {

// Keys that are no hash.
constexpr std::uint64_t kFreeKey = 0;
constexpr std::uint64_t kLeavingKey = 1;  // being freed, or left so by an agent that died
constexpr std::uint64_t kFirstKey = 2;
// How far from its place a rule's entry may be: with three quarters of the table in use hardly any rule needs as much.
constexpr std::size_t kReach = 64;
static_assert((kRuleEntries & (kRuleEntries - 1)) == 0);

constexpr std::size_t kMostModuleBytes = kRuleTextBytes / 2 - 1;

struct RuleText {
  std::array<char, kRuleTextBytes> bytes{};
  std::size_t size = 0;

  RuleText(std::string_view module, std::string_view rule) noexcept {
    // One byte is always the zero at the end.
    size = module.copy(bytes.data(), kMostModuleBytes) + 1;
    size += rule.copy(bytes.data() + size, bytes.size() - size - 1);
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

void write_text(RuleEntry& entry, const RuleText& text) noexcept {
  for (std::size_t i = 0; i < std::size(entry.text); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.bytes.data() + i * sizeof word, sizeof word);
    entry.text[i].store(word, std::memory_order_relaxed);
  }
  entry.has_text.store(1, std::memory_order_release);
}

// Null: all within reach belong to other rules.
RuleEntry* entry_of(RuleTable& table, std::uint64_t key) noexcept {
  for (std::size_t i = 0; i < kReach; ++i) {
    RuleEntry& entry = table.entries[(key + i) & (kRuleEntries - 1)];
    std::uint64_t seen = entry.key.load(std::memory_order_acquire);
    if (seen == key) return &entry;
    if (seen != kFreeKey) continue;
    if (entry.key.compare_exchange_strong(seen, key, std::memory_order_acq_rel) || seen == key) return &entry;
  }
  return nullptr;
}

bool is_shown_as_it_is(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    const Character first = first_character(text);
    if (!first.valid || steers(first.code)) return false;
    text.remove_prefix(first.bytes);
  }
  return true;
}

// A character that was cut off at the end goes.
std::string_view without_half_character(std::string_view text) {
  for (std::size_t cut = 0; cut < 4 && cut < text.size(); ++cut) {
    const std::string_view whole = text.substr(0, text.size() - cut);
    if (is_shown_as_it_is(whole)) return whole;
  }
  return text;
}

std::optional<RuleCount> read_entry(const RuleEntry& entry, std::size_t index) {
  if (entry.key.load(std::memory_order_acquire) < kFirstKey) return std::nullopt;
  if (entry.has_text.load(std::memory_order_acquire) == 0) return std::nullopt;
  std::array<char, kRuleTextBytes> bytes{};
  for (std::size_t i = 0; i < std::size(entry.text); ++i) {
    const std::uint64_t word = entry.text[i].load(std::memory_order_relaxed);
    std::memcpy(bytes.data() + i * sizeof word, &word, sizeof word);
  }
  const std::string_view text(bytes.data(), bytes.size());
  const std::size_t middle = text.find('\0');
  if (middle == std::string_view::npos || middle > kMostModuleBytes) return std::nullopt;
  const std::size_t end = text.find('\0', middle + 1);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view module = text.substr(0, middle);
  const bool is_cut = end == kRuleTextBytes - 1;
  const std::string_view id = text.substr(middle + 1, end - middle - 1);
  const std::string_view rule = is_cut ? without_half_character(id) : id;
  if (!is_shown_as_it_is(module) || !is_shown_as_it_is(rule)) return std::nullopt;
  RuleCount count{index, std::string(module), std::string(rule), {}, 0};
  for (std::size_t i = 0; i < kRuleVerdicts; ++i) count.verdicts[i] = entry.verdicts[i].load(std::memory_order_relaxed);
  count.last_unix_ms = entry.last_unix_ms.load(std::memory_order_relaxed);
  return count;
}

Counter* counters_of(RuleTable& table, const std::uint64_t (&hash_seed)[2], const RuleText& text,
                     std::uint64_t unix_ms) noexcept {
  RuleEntry* const entry = entry_of(table, std::max(siphash(hash_seed, text.view()), kFirstKey));
  if (entry == nullptr) return table.left_out;
  if (entry->has_text.load(std::memory_order_relaxed) == 0) write_text(*entry, text);
  entry->last_unix_ms.store(unix_ms, std::memory_order_relaxed);
  return entry->verdicts;
}

}  // namespace

void count_rule(RuleTable& table, const std::uint64_t (&hash_seed)[2], std::string_view module, std::string_view rule,
                std::size_t verdict, std::uint64_t unix_ms) noexcept {
  counters_of(table, hash_seed, RuleText(module, rule), unix_ms)[verdict].fetch_add(1, std::memory_order_relaxed);
}

std::vector<RuleCount> read_rules(const RuleTable& table) {
  std::vector<RuleCount> rules;
  for (std::size_t i = 0; i < kRuleEntries; ++i) {
    if (auto count = read_entry(table.entries[i], i)) rules.push_back(*std::move(count));
  }
  return rules;
}

RuleVerdicts read_left_out(const RuleTable& table) {
  RuleVerdicts verdicts{};
  for (std::size_t i = 0; i < kRuleVerdicts; ++i) verdicts[i] = table.left_out[i].load(std::memory_order_relaxed);
  return verdicts;
}

RuleVerdicts free_rule(RuleTable& table, std::size_t entry) noexcept {
  RuleEntry& freed = table.entries[entry];
  freed.key.store(kLeavingKey, std::memory_order_release);
  RuleVerdicts verdicts{};
  for (std::size_t i = 0; i < kRuleVerdicts; ++i) {
    verdicts[i] = freed.verdicts[i].exchange(0, std::memory_order_relaxed);
  }
  freed.has_text.store(0, std::memory_order_relaxed);
  freed.last_unix_ms.store(0, std::memory_order_relaxed);
  freed.key.store(kFreeKey, std::memory_order_release);
  return verdicts;
}

void add_rules(RuleTable& to, const std::uint64_t (&hash_seed)[2], const RuleTable& from) {
  for (const RuleCount& rule : read_rules(from)) {
    Counter* const counters = counters_of(to, hash_seed, RuleText(rule.module, rule.rule), rule.last_unix_ms);
    for (std::size_t i = 0; i < kRuleVerdicts; ++i) counters[i].fetch_add(rule.verdicts[i], std::memory_order_relaxed);
  }
  const RuleVerdicts left_out = read_left_out(from);
  for (std::size_t i = 0; i < kRuleVerdicts; ++i) to.left_out[i].fetch_add(left_out[i], std::memory_order_relaxed);
}

}  // namespace secbeat::control
