// The ledger's memory of what was taken back automatically.
#include "ledger.hpp"
#include "ledger_sql.hpp"

namespace secbeat::agent {

void Ledger::enter(const Quarantine& quarantine) {
  sql::run(database_, "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", quarantine.name, quarantine.sha256,
           quarantine.config_sha256, quarantine.label, quarantine.since, quarantine.reason);
  sql::run(database_,
           "DELETE FROM quarantine WHERE rowid <= (SELECT rowid FROM quarantine ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
           bounds_.quarantine);
}

Result<std::optional<Quarantine>> Ledger::quarantine(std::string_view name, std::string_view sha256,
                                                     std::string_view config_sha256) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&]() -> std::optional<Quarantine> {
    SQLite::Statement rows = sql::statement(database_,
                                            "SELECT name, sha256, config_sha256, label, since, reason FROM quarantine "
                                            "WHERE name = ? AND sha256 = ? AND config_sha256 = ?",
                                            name, sha256, config_sha256);
    if (!rows.executeStep()) return std::nullopt;
    Quarantine found;
    sql::Row(rows) >> found.name >> found.sha256 >> found.config_sha256 >> found.label >> found.since >> found.reason;
    return found;
  });
}

Result<void> Ledger::lift_quarantine(std::string_view name, std::string_view sha256, std::string_view config_sha256) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    sql::run(database_, "DELETE FROM quarantine WHERE name = ? AND sha256 = ? AND config_sha256 = ?", name, sha256,
             config_sha256);
  });
}

}  // namespace secbeat::agent
