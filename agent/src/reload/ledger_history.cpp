// The ledger's history rows: intents, their ends, totals, pages.
#include <fmt/format.h>

#include <limits>

#include "ledger.hpp"
#include "ledger_sql.hpp"
#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

constexpr const char* kHistoryColumns =
    "id, timestamp, name, kind, version, from_version, attempted_version, duration_ms, requests_during_reload, "
    "state = 'success', error, code, reason, by, source_ip, request_id, sha256, config_sha256, generation, receive_ms, "
    "validate_ms, compile_ms, rehearse_ms, stage_ms, swap_ms, total_ms, signed_by, cost_fuel, cost_request, "
    "cost_at_least, "
    "inventory_change";

HistoryRow history_row(SQLite::Statement& statement) {
  HistoryRow row;
  Stages& stages = row.stages;
  std::optional<std::uint64_t> fuel;
  std::optional<std::uint64_t> at_least;
  std::optional<std::string> request;
  std::optional<std::string> change;
  sql::Row(statement) >> row.id >> row.timestamp >> row.name >> row.kind >> row.version >> row.from_version >>
      row.attempted_version >> row.duration_ms >> row.requests_during_reload >> row.success >> row.error >> row.code >>
      row.reason >> row.by >> row.source_ip >> row.request_id >> row.sha256 >> row.config_sha256 >> row.generation >>
      stages.receive_ms >> stages.validate_ms >> stages.compile_ms >> stages.rehearse_ms >> stages.stage_ms >>
      stages.swap_ms >> stages.total_ms >> row.signed_by >> fuel >> request >> at_least >> change;
  row.measured = {sql::cost_of(fuel, request, at_least), change_from_text(change.value_or(""))};
  return row;
}

void insert(const SQLite::Database& database, const HistoryRow& row, std::string_view state, std::uint64_t version_id,
            Counted counted) {
  const Stages& stages = row.stages;
  sql::run(
      database,
      "INSERT INTO history (state, counted, timestamp, name, kind, version, version_id, from_version, "
      "attempted_version, duration_ms, requests_during_reload, error, code, reason, by, source_ip, request_id, sha256, "
      "config_sha256, generation, receive_ms, validate_ms, compile_ms, rehearse_ms, stage_ms, swap_ms, total_ms, "
      "signed_by) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      state, counted == Counted::kYes ? 1 : 0, row.timestamp, row.name, row.kind, row.version, version_id,
      row.from_version, row.attempted_version, row.duration_ms, row.requests_during_reload, row.error, row.code,
      row.reason, row.by, row.source_ip, row.request_id, row.sha256, row.config_sha256, row.generation,
      stages.receive_ms, stages.validate_ms, stages.compile_ms, stages.rehearse_ms, stages.stage_ms, stages.swap_ms,
      stages.total_ms, row.signed_by);
}

}  // namespace

Result<std::vector<std::int64_t>> Ledger::begin(std::span<const Intent> intents) {
  if (auto promised = promise(); !promised) return std::unexpected(promised.error());
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    std::vector<std::int64_t> ids;
    for (const Intent& intent : intents) {
      if (intent.new_version) {
        enter(*intent.new_version);
        enter(*intent.new_version, intent.measures);
        sql::run(database_,
                 "INSERT INTO label_families VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET given = excluded.given, "
                 "last_sha256 = excluded.last_sha256",
                 intent.row.name, intent.label.family, intent.label.number, intent.new_version->sha256);
      }
      insert(database_, intent.row, "pending", intent.version_id, intent.counted);
      ids.push_back(database_.getLastInsertRowid());
      promise_with(ids.back(), intent);
      enter(ids.back(), intent.row.measured);
      prune(intent.row.name);
    }
    fault_point("ledger.intent_before_commit");
    transaction.commit();
    fault_point("ledger.intent_written");
    return ids;
  });
}

void Ledger::finish_row(std::int64_t row, const Finish& finish) {
  const Stages& stages = finish.stages;
  sql::run(database_,
           "UPDATE history SET duration_ms = ?, requests_during_reload = ?, receive_ms = ?, validate_ms = ?, "
           "compile_ms = ?, rehearse_ms = ?, stage_ms = ?, swap_ms = ?, total_ms = ? WHERE id = ?",
           finish.duration_ms, finish.requests_during_reload, stages.receive_ms, stages.validate_ms, stages.compile_ms,
           stages.rehearse_ms, stages.stage_ms, stages.swap_ms, stages.total_ms, row);
}

Result<void> Ledger::succeed(std::int64_t row, const Finish& finish) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    const sql::WithoutSync without_sync(database_);
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    finish_row(row, finish);
    sql::run(database_, "UPDATE history SET state = 'success' WHERE id = ?", row);
    sql::run(database_,
             "UPDATE versions SET generation = (SELECT generation FROM history WHERE id = ?1) "
             "WHERE id = (SELECT version_id FROM history WHERE id = ?1)",
             row);
    keep_promises_of(row);
    count(row);
    fault_point("ledger.success_before_commit");
    transaction.commit();
    fault_point("ledger.success_written");
  });
}

Result<void> Ledger::withdraw(std::int64_t row, const Error& error, const Finish& finish) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    finish_row(row, finish);
    sql::run(database_,
             "UPDATE history SET state = 'failed', error = ?, code = ?, attempted_version = version, "
             "version = from_version WHERE id = ?",
             error.message, word_of(error.code), row);
    drop_promises_of(row);
    count(row);
    transaction.commit();
  });
}

Result<void> Ledger::record(const HistoryRow& row) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    insert(database_, row, "success", 0, Counted::kNo);
    prune(row.name);
    transaction.commit();
  });
}

Result<void> Ledger::record_failure(const HistoryRow& row) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    insert(database_, row, "failed", 0, Counted::kYes);
    const std::int64_t id = database_.getLastInsertRowid();
    enter(id, row.measured);
    count(id);
    prune(row.name);
    transaction.commit();
  });
}

Result<void> Ledger::record_event(const HistoryRow& row, std::uint64_t version_id) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] { insert_event(row, version_id); });
}

void Ledger::insert_event(const HistoryRow& row, std::uint64_t version_id) {
  insert(database_, row, "success", version_id, Counted::kNo);
}

// Anybody can upload nonsense under a new name: only a name that came into force has a total of its own.
void Ledger::count(std::int64_t row) {
  sql::run(database_,
           "INSERT INTO totals SELECT CASE WHEN EXISTS (SELECT 1 FROM versions v WHERE v.name = h.name AND "
           "v.generation > 0) THEN h.name ELSE ?2 END, 1, h.state = 'failed', h.id FROM history h WHERE h.id = ?1 AND "
           "h.counted ON CONFLICT DO UPDATE SET finished = finished + 1, failed = failed + excluded.failed, "
           "last_row = excluded.last_row",
           row, kOtherModules);
}

void Ledger::prune(std::string_view name) {
  sql::run(database_, "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ? AND state != 'pending'",
           bounds_.history);
  prune_measures();
  sql::run(database_,
           "DELETE FROM versions WHERE name = ?1 AND id <= "
           "(SELECT id FROM versions WHERE name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
           name, bounds_.versions);
}

Result<std::vector<HistoryRow>> Ledger::history(const std::optional<std::string>& name, Page page) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    std::vector<HistoryRow> history;
    const std::string text = fmt::format(
        "SELECT {} FROM history LEFT JOIN history_measures ON row = id WHERE state != 'pending' {} AND id < ? ORDER BY "
        "id DESC LIMIT ?",
        kHistoryColumns, name ? "AND name = ?" : "");
    SQLite::Statement rows(database_, text);
    int place = 0;
    if (name) sql::put(rows, ++place, *name);
    sql::put(rows, ++place, page.before.value_or(std::numeric_limits<std::int64_t>::max()));
    sql::put(rows, ++place, page.limit);
    while (rows.executeStep()) history.push_back(history_row(rows));
    return history;
  });
}

Result<std::vector<ReloadTotals>> Ledger::totals() const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    std::vector<ReloadTotals> totals;
    SQLite::Statement rows(database_,
                           "SELECT t.name, t.finished, t.failed, h.receive_ms, h.validate_ms, h.compile_ms, "
                           "h.rehearse_ms, h.stage_ms, h.swap_ms, h.total_ms FROM totals t LEFT JOIN history h "
                           "ON h.id = t.last_row ORDER BY t.name");
    while (rows.executeStep()) {
      ReloadTotals& total = totals.emplace_back();
      Stages& stages = total.last_stages;
      sql::Row(rows) >> total.module >> total.finished >> total.failed >> stages.receive_ms >> stages.validate_ms >>
          stages.compile_ms >> stages.rehearse_ms >> stages.stage_ms >> stages.swap_ms >> stages.total_ms;
      total.last_duration_seconds = stages.total_ms / 1000;
    }
    return totals;
  });
}

}  // namespace secbeat::agent
