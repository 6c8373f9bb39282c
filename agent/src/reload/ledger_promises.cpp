// What an intent promises to remember (who signed the bytes, what is quarantined) counts only once it has succeeded:
// bytes that never served must not forbid earlier signatures, and what still serves must not be in quarantine. Until
// then it waits in tables of its own, which ledgers of earlier builds of the same schema lack.
#include "ledger.hpp"
#include "ledger_sql.hpp"

namespace secbeat::agent {
namespace {

constexpr const char* kCreatePromises = R"sql(
CREATE TABLE IF NOT EXISTS promised_signatures (
  row INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, key_id TEXT NOT NULL, signed_at TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS promised_quarantine (
  row INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, config_sha256 TEXT NOT NULL, label TEXT NOT NULL,
  since TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
)sql";

}  // namespace

void Ledger::prepare_promises() { database_.exec(kCreatePromises); }

void Ledger::promise_with(std::int64_t row, const Intent& intent) {
  if (const auto& signature = intent.signature) {
    sql::run(database_, "INSERT OR REPLACE INTO promised_signatures VALUES (?, ?, ?, ?, ?, ?)", row, signature->name,
             signature->sha256, signature->key_id, signature->signed_at, signature->text);
  }
  if (const auto& quarantine = intent.quarantine) {
    sql::run(database_, "INSERT OR REPLACE INTO promised_quarantine VALUES (?, ?, ?, ?, ?, ?, ?)", row,
             quarantine->name, quarantine->sha256, quarantine->config_sha256, quarantine->label, quarantine->since,
             quarantine->reason);
  }
}

void Ledger::keep_promises_of(std::int64_t row) {
  SignatureRow signature;
  {
    SQLite::Statement rows = sql::statement(
        database_, "SELECT name, sha256, key_id, signed_at, text FROM promised_signatures WHERE row = ?", row);
    if (rows.executeStep()) {
      sql::Row(rows) >> signature.name >> signature.sha256 >> signature.key_id >> signature.signed_at >> signature.text;
    }
  }
  if (!signature.name.empty()) enter(signature);
  Quarantine quarantine;
  {
    SQLite::Statement rows = sql::statement(
        database_, "SELECT name, sha256, config_sha256, label, since, reason FROM promised_quarantine WHERE row = ?",
        row);
    if (rows.executeStep()) {
      sql::Row(rows) >> quarantine.name >> quarantine.sha256 >> quarantine.config_sha256 >> quarantine.label >>
          quarantine.since >> quarantine.reason;
    }
  }
  if (!quarantine.name.empty()) enter(quarantine);
  drop_promises_of(row);
}

void Ledger::drop_promises_of(std::int64_t row) {
  sql::run(database_, "DELETE FROM promised_signatures WHERE row = ?", row);
  sql::run(database_, "DELETE FROM promised_quarantine WHERE row = ?", row);
}

}  // namespace secbeat::agent
