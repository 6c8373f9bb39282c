#include "ledger.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <limits>

#include "ledger_sql.hpp"
#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

constexpr const char* kNextVersion = "next_version_id";
constexpr const char* kNextGeneration = "next_generation";
constexpr int kApplicationId = 0x53426c67;  // "SBlg"
constexpr int kBusyTimeoutMs = 5000;        // for a person who looks at the file with the sqlite3 command

constexpr const char* kCreate = R"sql(
CREATE TABLE numbers (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE label_families (
  name TEXT NOT NULL, family TEXT NOT NULL, given INTEGER NOT NULL, last_sha256 TEXT NOT NULL,
  PRIMARY KEY (name, family)) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, label TEXT NOT NULL, sha256 TEXT NOT NULL, config_sha256 TEXT NOT NULL,
  artifact_sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL, artifact_bytes INTEGER NOT NULL, embedded_version TEXT,
  exports_configure INTEGER NOT NULL, previous_id INTEGER NOT NULL, created_at TEXT NOT NULL,
  generation INTEGER NOT NULL, UNIQUE (name, label)) STRICT;
CREATE TABLE history (
  id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL CHECK (state IN ('pending', 'success', 'failed')),
  counted INTEGER NOT NULL, timestamp TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL,
  version_id INTEGER NOT NULL, from_version TEXT NOT NULL, attempted_version TEXT NOT NULL,
  duration_ms INTEGER NOT NULL, requests_during_reload INTEGER NOT NULL, error TEXT NOT NULL, code TEXT NOT NULL,
  reason TEXT NOT NULL, by TEXT NOT NULL, request_id TEXT NOT NULL, sha256 TEXT NOT NULL, config_sha256 TEXT NOT NULL,
  generation INTEGER NOT NULL, receive_ms REAL NOT NULL, validate_ms REAL NOT NULL, compile_ms REAL NOT NULL,
  rehearse_ms REAL NOT NULL, stage_ms REAL NOT NULL, swap_ms REAL NOT NULL, total_ms REAL NOT NULL) STRICT;
CREATE INDEX history_by_name ON history (name, id);
CREATE INDEX history_pending ON history (id) WHERE state = 'pending';
CREATE TABLE totals (
  name TEXT PRIMARY KEY, finished INTEGER NOT NULL, failed INTEGER NOT NULL, last_row INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
INSERT INTO numbers VALUES ('next_version_id', 1), ('next_generation', 1);
)sql";

// Ledgers of earlier builds of the same schema lack it.
constexpr const char* kCreateQuarantine = R"sql(
CREATE TABLE IF NOT EXISTS quarantine (
  name TEXT NOT NULL, sha256 TEXT NOT NULL, config_sha256 TEXT NOT NULL, label TEXT NOT NULL, since TEXT NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (name, sha256, config_sha256)) STRICT;
)sql";

// The same.
constexpr const char* kIndexVersions = "CREATE INDEX IF NOT EXISTS versions_by_name ON versions (name, id)";
constexpr const char* kCountSourceIp = "SELECT count(*) FROM pragma_table_info('history') WHERE name = 'source_ip'";
constexpr const char* kAddSourceIp = "ALTER TABLE history ADD COLUMN source_ip TEXT NOT NULL DEFAULT ''";
constexpr const char* kCreateSignatures = R"sql(
CREATE TABLE IF NOT EXISTS signatures (
  name TEXT NOT NULL, sha256 TEXT NOT NULL, key_id TEXT NOT NULL, signed_at TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (name, sha256)) STRICT;
)sql";
constexpr const char* kCountSignedBy = "SELECT count(*) FROM pragma_table_info('history') WHERE name = 'signed_by'";
constexpr const char* kAddSignedBy = "ALTER TABLE history ADD COLUMN signed_by TEXT NOT NULL DEFAULT ''";

constexpr const char* kVersionColumns =
    "id, name, label, sha256, config_sha256, artifact_sha256, size_bytes, artifact_bytes, embedded_version, "
    "exports_configure, previous_id, created_at, generation";

VersionRow version_row(SQLite::Statement& row) {
  VersionRow version;
  sql::Row(row) >> version.id >> version.name >> version.label >> version.sha256 >> version.config_sha256 >>
      version.artifact_sha256 >> version.size_bytes >> version.artifact_bytes >> version.embedded_version >>
      version.exports_configure >> version.previous_id >> version.created_at >> version.generation;
  return version;
}

bool is_of_the_disk(int code) {
  constexpr std::array kCodes = {SQLITE_BUSY,  SQLITE_LOCKED, SQLITE_PERM,     SQLITE_READONLY,
                                 SQLITE_IOERR, SQLITE_FULL,   SQLITE_CANTOPEN, SQLITE_NOMEM};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// The version that came before `version`, as far as a document alone can tell: the one that the slot names, else
// the next older one.
std::uint64_t guessed_previous(const control::Slot& slot, const control::Version& version) {
  if (version.id == slot.current) return slot.previous;
  std::uint64_t previous = 0;
  for (const control::Version& other : slot.versions) {
    if (other.id < version.id) previous = std::max(previous, other.id);
  }
  return previous;
}

}  // namespace

Ledger::Ledger(const std::filesystem::path& file, const Bounds& bounds)
    : bounds_(bounds), database_(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyTimeoutMs) {}

Result<std::unique_ptr<Ledger>> Ledger::open(const std::filesystem::path& file, const Bounds& bounds) {
  try {
    std::unique_ptr<Ledger> ledger(new Ledger(file, bounds));
    const int schema = ledger->database_.execAndGet("PRAGMA user_version").getInt();
    const int application = ledger->database_.execAndGet("PRAGMA application_id").getInt();
    if (schema > kSchema) {
      return fail(ErrorCode::kConfig, fmt::format("{} was written by a newer SecBeat (schema {}, this one knows {})",
                                                  file.string(), schema, kSchema));
    }
    if ((schema != 0 || application != 0) && application != kApplicationId) {
      return fail(ErrorCode::kConfig, fmt::format("{} is another program's database", file.string()));
    }
    ledger->prepare_schema();
    ledger->prove_whole_and_writable();
    return ledger;
  } catch (const SQLite::Exception& error) {
    if (is_of_the_disk(error.getErrorCode())) {
      return fail(ErrorCode::kIo, fmt::format("{} cannot be opened ({})", file.string(), error.what()));
    }
    return fail(ErrorCode::kConfig, fmt::format("{} is damaged ({})", file.string(), error.what()));
  }
}

Result<std::unique_ptr<Ledger>> Ledger::open_in_memory(std::string why) {
  return sql::guarded([&] {
    std::unique_ptr<Ledger> ledger(new Ledger(":memory:", {}));
    ledger->prepare_schema();
    ledger->refuses_ = std::move(why);
    return ledger;
  });
}

Result<void> Ledger::promise() const {
  if (refuses_.empty()) return {};
  return fail(ErrorCode::kIo, refuses_);
}

// Pages that are damaged, and a disk that takes no more, show at the start and not at the next reload.
void Ledger::prove_whole_and_writable() {
  SQLite::Statement check(database_, "PRAGMA quick_check(1)");
  std::string found = check.executeStep() ? check.getColumn(0).getString() : "no answer";
  std::ranges::replace(found, '\n', ' ');  // it is told in one line
  if (found != "ok") throw SQLite::Exception(found, SQLITE_CORRUPT);
  database_.exec(fmt::format("PRAGMA user_version = {}", kSchema));  // as it is; written whatever the tables hold
}

void Ledger::prepare_schema() {
  database_.exec("PRAGMA journal_mode = WAL");
  database_.exec("PRAGMA synchronous = FULL");
  SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
  new_ = database_.execAndGet("PRAGMA user_version").getInt() == 0;
  if (new_) {
    database_.exec(kCreate);
    database_.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
    database_.exec(fmt::format("PRAGMA user_version = {}", kSchema));
  }
  database_.exec(kIndexVersions);
  database_.exec(kCreateQuarantine);
  if (database_.execAndGet(kCountSourceIp).getInt() == 0) database_.exec(kAddSourceIp);
  database_.exec(kCreateSignatures);
  if (database_.execAndGet(kCountSignedBy).getInt() == 0) database_.exec(kAddSignedBy);
  prepare_measures();
  prepare_rules();
  prepare_promises();
  transaction.commit();
}

std::uint64_t Ledger::number(const char* key) const {
  SQLite::Statement row = sql::statement(database_, "SELECT value FROM numbers WHERE key = ?", std::string_view(key));
  if (!row.executeStep()) throw SQLite::Exception("a number is missing");
  return static_cast<std::uint64_t>(row.getColumn(0).getInt64());
}

void Ledger::raise_number(const char* key, std::uint64_t at_least) {
  sql::run(database_, "UPDATE numbers SET value = max(value, ?) WHERE key = ?", at_least, std::string_view(key));
}

Result<Numbers> Ledger::reserve() {
  if (auto promised = promise(); !promised) return std::unexpected(promised.error());
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    const sql::WithoutSync without_sync(database_);
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    const Numbers numbers{number(kNextVersion), number(kNextGeneration)};
    raise_number(kNextVersion, numbers.version_id + 1);
    raise_number(kNextGeneration, numbers.generation + 1);
    transaction.commit();
    fault_point("ledger.numbers_reserved");
    return numbers;
  });
}

Result<void> Ledger::continue_above(const Numbers& seen) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    raise_number(kNextVersion, seen.version_id + 1);
    raise_number(kNextGeneration, seen.generation + 1);
    transaction.commit();
  });
}

Result<void> Ledger::repair(const control::InForce& in_force, const Describe& described, std::string_view now) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    enter_unknown(in_force, described, now);
    raise_number(kNextGeneration, in_force.generation + 1);

    std::vector<std::pair<std::int64_t, std::uint64_t>> open;
    SQLite::Statement rows(database_, "SELECT id, generation FROM history WHERE state = 'pending' ORDER BY id");
    while (rows.executeStep()) {
      auto& [id, generation] = open.emplace_back();
      sql::Row(rows) >> id >> generation;
    }
    for (const auto& [id, generation] : open) {
      if (generation == in_force.generation) {
        sql::run(database_, "UPDATE history SET state = 'success' WHERE id = ?", id);
        sql::run(database_,
                 "UPDATE versions SET generation = ?1 WHERE id = (SELECT version_id FROM history WHERE id = ?2)",
                 generation, id);
        keep_promises_of(id);
      } else {
        sql::run(database_,
                 "UPDATE history SET state = 'failed', error = ?, code = 'interrupted', attempted_version = version, "
                 "version = from_version WHERE id = ?",
                 std::string_view("the agent was interrupted before the swap; the version in force was not touched"),
                 id);
        drop_promises_of(id);
      }
      count(id);
    }
    transaction.commit();
  });
}

void Ledger::enter_unknown(const control::InForce& in_force, const Describe& described, std::string_view now) {
  for (const control::Slot& slot : in_force.slots) {
    for (const control::Version& version : slot.versions) {
      raise_number(kNextVersion, version.id + 1);
      SQLite::Statement known = sql::statement(database_, "SELECT 1 FROM versions WHERE id = ?", version.id);
      if (known.executeStep()) continue;
      VersionRow row{.id = version.id,
                     .name = slot.name,
                     .label = version.label,
                     .sha256 = version.sha256,
                     .config_sha256 = version.config_sha256,
                     .artifact_sha256 = version.artifact_sha256,
                     .size_bytes = version.size_bytes,
                     .artifact_bytes = 0,
                     .embedded_version = std::nullopt,
                     .exports_configure = false,
                     .previous_id = guessed_previous(slot, version),
                     .created_at = std::string(now),
                     .generation = in_force.generation};
      described(version, row);
      sql::run(database_, "DELETE FROM versions WHERE name = ? AND label = ?", slot.name, version.label);
      enter(row);
      // Each label that is there without its family is a family of its own, so that it stays used up.
      sql::run(database_, "INSERT INTO label_families VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING", slot.name,
               version.label, version.sha256);
      // Counting goes on above the highest number that is loaded, not below it.
      if (const auto number = counted_number(version.label)) {
        sql::run(database_,
                 "INSERT INTO label_families VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name, family) DO UPDATE SET given = "
                 "max(given, excluded.given)",
                 slot.name, kCountedFamily, *number, version.sha256);
      }
    }
  }
}

void Ledger::enter(const VersionRow& row) {
  sql::run(database_, "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row.id, row.name,
           row.label, row.sha256, row.config_sha256, row.artifact_sha256, row.size_bytes, row.artifact_bytes,
           row.embedded_version, row.exports_configure, row.previous_id, row.created_at, row.generation);
}

Result<void> Ledger::set_artifact(std::uint64_t version_id, std::string_view artifact_sha256,
                                  std::uint64_t artifact_bytes) {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    sql::run(database_, "UPDATE versions SET artifact_sha256 = ?, artifact_bytes = ? WHERE id = ?", artifact_sha256,
             artifact_bytes, version_id);
  });
}

Result<LabelFamilies> Ledger::families(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    LabelFamilies families;
    SQLite::Statement rows =
        sql::statement(database_, "SELECT family, given, last_sha256 FROM label_families WHERE name = ?", name);
    while (rows.executeStep()) {
      std::string family;
      LabelFamily given;
      sql::Row(rows) >> family >> given.given >> given.last_sha256;
      families.emplace(std::move(family), std::move(given));
    }
    return families;
  });
}

std::uint64_t Ledger::previous_id(std::uint64_t id) const noexcept {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&]() -> std::uint64_t {
           SQLite::Statement row = sql::statement(database_, "SELECT previous_id FROM versions WHERE id = ?", id);
           return row.executeStep() ? static_cast<std::uint64_t>(row.getColumn(0).getInt64()) : 0;
         })
      .value_or(0);
}

Result<VersionRow> Ledger::version(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  std::optional<VersionRow> found;
  const Result<void> asked = sql::guarded([&] {
    SQLite::Statement rows =
        sql::statement(database_, fmt::format("SELECT {} FROM versions WHERE id = ?", kVersionColumns).c_str(), id);
    if (rows.executeStep()) found = version_row(rows);
  });
  if (!asked) return std::unexpected(asked.error());
  if (!found) return fail(ErrorCode::kUnknownVersion, fmt::format("The ledger knows no version with the id {}", id));
  return *std::move(found);
}

Result<std::vector<VersionRow>> Ledger::last_in_force() const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    std::vector<VersionRow> versions;
    // Where there is one max(), SQLite takes the other columns from its row. A rollback without a version was
    // overtaken: its row tells of it and of nothing that came into force.
    SQLite::Statement rows(
        database_,
        fmt::format(
            "SELECT {} FROM versions WHERE id IN (SELECT version_id FROM (SELECT version_id, max(id) FROM "
            "history WHERE state = 'success' AND NOT (version_id = 0 AND kind IN ('rollback', 'auto_rollback')) "
            "GROUP BY name)) ORDER BY id",
            kVersionColumns));
    while (rows.executeStep()) versions.push_back(version_row(rows));
    return versions;
  });
}

Result<std::vector<VersionRow>> Ledger::versions(const std::optional<std::string>& name, Page page) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&] {
    std::vector<VersionRow> versions;
    SQLite::Statement rows =
        sql::statement(database_,
                       fmt::format("SELECT {} FROM versions WHERE generation > 0 AND "
                                   "(?1 IS NULL OR name = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
                                   kVersionColumns)
                           .c_str(),
                       name, page.before.value_or(std::numeric_limits<std::int64_t>::max()), page.limit);
    while (rows.executeStep()) versions.push_back(version_row(rows));
    return versions;
  });
}

Result<std::uint64_t> Ledger::count_versions(const std::optional<std::string>& name) const {
  const std::lock_guard lock(mutex_);
  return sql::guarded([&]() -> std::uint64_t {
    SQLite::Statement row = sql::statement(
        database_, "SELECT count(*) FROM versions WHERE generation > 0 AND (?1 IS NULL OR name = ?1)", name);
    row.executeStep();
    return static_cast<std::uint64_t>(row.getColumn(0).getInt64());
  });
}

}  // namespace secbeat::agent
