// The scoreboard's table of rules, written by somebody who means ill: what is read from it is bounded and can be shown,
// all of it comes into the table of the next file, and the agent's numbers never become less.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "fuzz_support.hpp"
#include "rules/rule_tallies.hpp"
#include "secbeat/control/rule_table.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::control;
using fuzz::Pieces;
using fuzz::require;

constexpr std::uint64_t kNowMs = 1763946003000;
constexpr std::uint64_t kSeed[2] = {0, 0};
constexpr std::uint64_t kNextSeed[2] = {7, 11};
constexpr std::string_view kModule = "waf";
constexpr std::string_view kRule = "sqli";
// Entries that are written: where kRule has its place, and all within its reach.
constexpr std::size_t kEntries = 64;

struct Board {
  Board() {
    char folder[] = "/tmp/secbeat-fuzz-rules-XXXXXX";
    require(::mkdtemp(folder) != nullptr);
    path = std::filesystem::path(folder) / "workers" / "scoreboard";
    auto made = Scoreboard::create(path, static_cast<uid_t>(-1), static_cast<gid_t>(-1));
    require(made.has_value());
    board = *std::move(made);
    std::ranges::copy(kSeed, board->layout().header.hash_seed);
    count_rule(rules(), kSeed, kModule, kRule, 0, kNowMs);
    first_entry = read_rules(rules()).front().entry;
    require(first_entry + kEntries <= kRuleEntries);
    static_cast<void>(free_rule(rules(), first_entry));
  }
  ~Board() { std::filesystem::remove_all(path.parent_path().parent_path()); }
  [[nodiscard]] RuleTable& rules() const { return board->layout().rules; }

  std::filesystem::path path;
  std::unique_ptr<Scoreboard> board;
  std::size_t first_entry = 0;
};

// Each piece: number of the entry, offset in it, bytes.
void write_pieces(std::string_view input, RuleEntry* entries) {
  std::memset(reinterpret_cast<char*>(entries), 0, kEntries * sizeof(RuleEntry));
  Pieces pieces(input);
  while (!pieces.empty()) {
    RuleEntry& entry = entries[pieces.number() % kEntries];
    const std::size_t offset = pieces.number() % sizeof entry;
    const std::string_view piece = pieces.next().substr(0, sizeof entry - offset);
    std::memcpy(reinterpret_cast<char*>(&entry) + offset, piece.data(), piece.size());
  }
}

RuleVerdicts sum_of(const std::vector<RuleCount>& rules) {
  RuleVerdicts sum{};
  for (const RuleCount& rule : rules) {
    for (std::size_t i = 0; i < kRuleVerdicts; ++i) sum[i] += rule.verdicts[i];
  }
  return sum;
}

void free_all(RuleTable& table, const std::vector<RuleCount>& rules) {
  for (const RuleCount& rule : rules) require(free_rule(table, rule.entry) == rule.verdicts);
}

void check_texts(const std::vector<RuleCount>& rules) {
  const auto steers = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  for (const RuleCount& rule : rules) {
    require(rule.entry < kRuleEntries);
    for (const std::string_view text : {std::string_view(rule.module), std::string_view(rule.rule)}) {
      require(!text.empty() && text.size() < kRuleTextBytes && std::ranges::none_of(text, steers));
    }
  }
}

void check_carrying(const RuleTable& table, const std::vector<RuleCount>& rules) {
  static const auto next = std::make_unique<RuleTable>();
  add_rules(*next, kNextSeed, table);
  const auto carried = read_rules(*next);
  require(carried.size() <= rules.size() && sum_of(carried) == sum_of(rules));
  free_all(*next, carried);
  require(read_rules(*next).empty());
}

void check_tallies(const Board& board, const std::vector<RuleCount>& rules) {
  agent::RuleTallies tallies(*board.board, nullptr);
  const auto before = tallies.all();
  for (const RuleCount& rule : rules) board.rules().entries[rule.entry].verdicts[0].store(1);
  count_rule(board.rules(), kSeed, kModule, kRule, 1, kNowMs);
  const auto after = tallies.all();
  require(after.size() >= before.size());
  auto now = after.begin();
  for (const agent::RuleTally& tally : before) {
    while (now->module != tally.module || now->rule != tally.rule) require(++now != after.end());
    for (std::size_t i = 0; i < kRuleVerdicts; ++i) require(now->total[i] >= tally.total[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Board board;
  write_pieces(fuzz::text_of(data, size), &board.rules().entries[board.first_entry]);
  const auto rules = read_rules(board.rules());
  check_texts(rules);
  check_carrying(board.rules(), rules);
  check_tallies(board, rules);
  free_all(board.rules(), read_rules(board.rules()));
  for (Counter& counter : board.rules().left_out) counter.store(0);
  return 0;
}
