// Verdicts by rule, and the ends of rules, in tables of their own, which ledgers of earlier builds of the same schema
// lack.
#include <algorithm>

#include "ledger.hpp"
#include "ledger_sql.hpp"

namespace secbeat::agent {
namespace {

constexpr const char* kCreateRules = R"sql(
CREATE TABLE IF NOT EXISTS rule_tallies (
  module TEXT NOT NULL, rule TEXT NOT NULL, base_block INTEGER NOT NULL, base_log INTEGER NOT NULL,
  base_rate_limit INTEGER NOT NULL, total_block INTEGER NOT NULL, total_log INTEGER NOT NULL,
  total_rate_limit INTEGER NOT NULL, last_unix_ms INTEGER NOT NULL, PRIMARY KEY (module, rule)) STRICT;
CREATE TABLE IF NOT EXISTS rule_board (one INTEGER PRIMARY KEY CHECK (one = 1), board TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS rule_ends (
  id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT NOT NULL,
  total_blocks INTEGER NOT NULL, UNIQUE (rule, created_at, expires_at)) STRICT;
)sql";

}  // namespace

void Ledger::prepare_rules() { database_.exec(kCreateRules); }

Result<RememberedTallies> Ledger::rule_tallies() const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    RememberedTallies remembered;
    SQLite::Statement board = sql::statement(database_, "SELECT board FROM rule_board");
    if (board.executeStep()) sql::Row(board) >> remembered.board;
    SQLite::Statement rows = sql::statement(
        database_,
        "SELECT module, rule, base_block, base_log, base_rate_limit, total_block, total_log, total_rate_limit, "
        "last_unix_ms FROM rule_tallies");
    while (rows.executeStep()) {
      RuleTally tally;
      sql::Row row(rows);
      row >> tally.module >> tally.rule;
      for (std::uint64_t& count : tally.base) row >> count;
      for (std::uint64_t& count : tally.total) row >> count;
      row >> tally.last_unix_ms;
      remembered.tallies.push_back(std::move(tally));
    }
    return remembered;
  });
}

Result<void> Ledger::keep_rule_tallies(std::string_view board, std::span<const RuleTally> changed) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    sql::run(database_, "INSERT OR REPLACE INTO rule_board VALUES (1, ?)", board);
    for (const RuleTally& tally : changed) {
      sql::run(database_, "INSERT OR REPLACE INTO rule_tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", tally.module,
               tally.rule, tally.base[0], tally.base[1], tally.base[2], tally.total[0], tally.total[1], tally.total[2],
               tally.last_unix_ms);
    }
    sql::run(database_,
             "DELETE FROM rule_tallies WHERE rowid IN (SELECT rowid FROM rule_tallies ORDER BY last_unix_ms DESC "
             "LIMIT -1 OFFSET ?)",
             kMaxTallies);
    transaction.commit();
  });
}

Result<std::optional<std::uint64_t>> Ledger::end_rule(const RuleLife& life, std::uint64_t total_blocks,
                                                      std::uint64_t version_id, const EndRow& row) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&]() -> std::optional<std::uint64_t> {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    std::uint64_t before = 0;
    {
      SQLite::Statement former =
          sql::statement(database_, "SELECT coalesce(max(total_blocks), 0) FROM rule_ends WHERE rule = ?", life.rule);
      if (former.executeStep()) sql::Row(former) >> before;
    }
    const int entered = sql::run(
        database_, "INSERT OR IGNORE INTO rule_ends (rule, created_at, expires_at, total_blocks) VALUES (?, ?, ?, ?)",
        life.rule, life.created_at, life.expires_at, total_blocks);
    if (entered == 0) return std::nullopt;
    sql::run(database_, "DELETE FROM rule_ends WHERE id <= (SELECT max(id) FROM rule_ends) - ?", kMaxEnds);
    const std::uint64_t blocks = total_blocks - std::min(total_blocks, before);
    insert_event(row(blocks), version_id);
    transaction.commit();
    return blocks;
  });
}

}  // namespace secbeat::agent
