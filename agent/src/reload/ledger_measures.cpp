// What the rehearsal found out, in tables of its own: of versions, for the next one to be compared with, and of history
// rows. Ledgers of earlier builds of the same schema lack them.
#include "ledger.hpp"
#include "ledger_sql.hpp"

namespace secbeat::agent {
namespace {

constexpr const char* kCreateMeasures = R"sql(
CREATE TABLE IF NOT EXISTS version_measures (
  version_id INTEGER PRIMARY KEY, name TEXT NOT NULL, cost_fuel INTEGER, cost_request TEXT NOT NULL,
  cost_at_least INTEGER NOT NULL, inventory TEXT) STRICT;
CREATE INDEX IF NOT EXISTS version_measures_by_name ON version_measures (name, version_id);
CREATE TABLE IF NOT EXISTS history_measures (
  row INTEGER PRIMARY KEY, cost_fuel INTEGER, cost_request TEXT NOT NULL, cost_at_least INTEGER NOT NULL,
  inventory_change TEXT NOT NULL) STRICT;
)sql";

// More than are ever loaded at once, and so can be what an upload replaces.
constexpr int kVersionsMeasured = 64;

std::optional<std::uint64_t> fuel_of(const std::optional<engine::Cost>& cost) {
  return cost ? std::optional(cost->fuel) : std::nullopt;
}
std::string_view request_of(const std::optional<engine::Cost>& cost) {
  return cost ? std::string_view(cost->request) : std::string_view();
}

}  // namespace

void Ledger::prepare_measures() { database_.exec(kCreateMeasures); }

void Ledger::enter(const VersionRow& version, const Measures& measures) {
  if (!measures.cost && !measures.inventory) return;
  const std::optional<std::string> inventory =
      measures.inventory ? std::optional(engine::to_json(*measures.inventory)) : std::nullopt;
  sql::run(database_, "INSERT OR REPLACE INTO version_measures VALUES (?, ?, ?, ?, ?, ?)", version.id, version.name,
           fuel_of(measures.cost), request_of(measures.cost), measures.cost && measures.cost->at_least, inventory);
  sql::run(database_,
           "DELETE FROM version_measures WHERE name = ?1 AND version_id <= (SELECT version_id FROM version_measures "
           "WHERE name = ?1 ORDER BY version_id DESC LIMIT 1 OFFSET ?2)",
           version.name, kVersionsMeasured);
}

void Ledger::enter(std::int64_t row, const Measured& measured) {
  if (!measured.cost && !measured.inventory) return;
  sql::run(database_, "INSERT OR REPLACE INTO history_measures VALUES (?, ?, ?, ?, ?)", row, fuel_of(measured.cost),
           request_of(measured.cost), measured.cost && measured.cost->at_least, to_text(measured.inventory));
}

void Ledger::prune_measures() {
  sql::run(database_, "DELETE FROM history_measures WHERE row <= (SELECT max(id) FROM history) - ?", bounds_.history);
}

Result<Measures> Ledger::measures(std::uint64_t version_id) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    Measures measures;
    SQLite::Statement found = sql::statement(
        database_,
        "SELECT cost_fuel, cost_request, cost_at_least, inventory FROM version_measures WHERE version_id = ?",
        version_id);
    if (!found.executeStep()) return measures;
    std::optional<std::uint64_t> fuel;
    std::optional<std::string> request;
    std::optional<std::uint64_t> at_least;
    std::optional<std::string> inventory;
    sql::Row(found) >> fuel >> request >> at_least >> inventory;
    measures.cost = sql::cost_of(fuel, request, at_least);
    if (inventory) {
      if (auto rules = engine::read_inventory(*inventory)) measures.inventory = *std::move(rules);
    }
    return measures;
  });
}

}  // namespace secbeat::agent
