// The ledger's memory of who vouched for which bytes.
#include "ledger.hpp"
#include "ledger_sql.hpp"

namespace secbeat::agent {

// Of the same bytes the newest counts: they may be signed again.
void Ledger::enter(const SignatureRow& signature) {
  sql::run(database_,
           "INSERT INTO signatures VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET key_id = excluded.key_id, "
           "signed_at = excluded.signed_at, text = excluded.text WHERE excluded.signed_at >= signed_at",
           signature.name, signature.sha256, signature.key_id, signature.signed_at, signature.text);
  sql::run(database_,
           "DELETE FROM signatures WHERE name = ?1 AND signed_at < "
           "(SELECT signed_at FROM signatures WHERE name = ?1 ORDER BY signed_at DESC LIMIT 1 OFFSET ?2)",
           signature.name, bounds_.versions);
}

Result<std::optional<SignatureRow>> Ledger::signature(std::string_view name, std::string_view sha256) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&]() -> std::optional<SignatureRow> {
    SQLite::Statement rows = sql::statement(
        database_, "SELECT name, sha256, key_id, signed_at, text FROM signatures WHERE name = ? AND sha256 = ?", name,
        sha256);
    if (!rows.executeStep()) return std::nullopt;
    SignatureRow found;
    sql::Row(rows) >> found.name >> found.sha256 >> found.key_id >> found.signed_at >> found.text;
    return found;
  });
}

Result<std::string> Ledger::newest_signature(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Statement rows =
        sql::statement(database_, "SELECT coalesce(max(signed_at), '') FROM signatures WHERE name = ?", name);
    return rows.executeStep() ? rows.getColumn(0).getString() : std::string();
  });
}

}  // namespace secbeat::agent
