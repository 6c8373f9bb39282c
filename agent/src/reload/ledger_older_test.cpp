// A ledger as the first version of SecBeat made it, opened by this one.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ledger.hpp"

namespace secbeat::agent {
namespace {

// Word for word what that version executed; never to be brought up to date.
constexpr const char* kFirstSchema = R"sql(
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
PRAGMA application_id = 1396862055;
PRAGMA user_version = 1;
)sql";

// Two versions, a reload that failed, and one that was under way when that node was stopped for the upgrade.
constexpr const char* kItsRows = R"sql(
UPDATE numbers SET value = 4;
INSERT INTO label_families VALUES ('waf', '', 3, 'sha3');
INSERT INTO versions VALUES
  (1, 'waf', 'v1', 'sha1', '', 'art1', 10, 20, NULL, 0, 0, '2025-11-24T01:00:03Z', 1),
  (2, 'waf', 'v2', 'sha2', 'conf2', 'art2', 11, 21, '2.0.0', 1, 1, '2025-11-24T01:00:04Z', 2),
  (3, 'waf', 'v3', 'sha3', '', 'art3', 12, 22, NULL, 0, 2, '2025-11-24T01:00:06Z', 0);
INSERT INTO history VALUES
  (1, 'success', 0, '2025-11-24T01:00:03Z', 'waf', 'load', 'v1', 1, '', '', 40, 0, '', '', '', 'start', '', 'sha1', '',
   1, 0, 1, 30, 2, 3, 4, 40),
  (2, 'success', 1, '2025-11-24T01:00:04Z', 'waf', 'reload', 'v2', 2, 'v1', '', 8, 1247, '', '', 'because', 'local',
   'r2', 'sha2', 'conf2', 2, 1, 2, 3, 4, 5, 6, 21),
  (3, 'failed', 1, '2025-11-24T01:00:05Z', 'waf', 'reload', 'v2', 0, 'v2', '', 5, 3, 'it is no module', 'invalid_wasm',
   '', 'local', 'r3', 'bad', '', 2, 1, 2, 0, 0, 0, 0, 3),
  (4, 'pending', 1, '2025-11-24T01:00:06Z', 'waf', 'reload', 'v3', 3, 'v2', '', 0, 0, '', '', '', 'local', 'r4', 'sha3',
   '', 3, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO totals VALUES ('waf', 2, 1, 3);
)sql";

class OlderLedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/older-ledger-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    SQLite::Database database(file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec(kFirstSchema);
    database.exec(kItsRows);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "ledger.sqlite"; }
  [[nodiscard]] std::unique_ptr<Ledger> opened() const {
    auto ledger = Ledger::open(file());
    EXPECT_TRUE(ledger) << ledger.error().message;
    return ledger ? *std::move(ledger) : nullptr;
  }
  // What tables, columns and indexes the file has, in a form that can be compared.
  static std::string shape_of(const std::filesystem::path& file) {
    const SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    SQLite::Statement rows(database,
                           "SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name || ' ' || c.type, '') "
                           "FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c ORDER BY 1");
    std::string shape;
    while (rows.executeStep()) shape += rows.getColumn(0).getString() + "\n";
    return shape;
  }

  std::filesystem::path folder_;
};

TEST_F(OlderLedgerTest, KeepsAllThatItHas) {
  const auto ledger = opened();
  ASSERT_NE(ledger, nullptr);
  EXPECT_FALSE(ledger->is_new());
  const auto rows = ledger->history("waf", {.limit = 10, .before = std::nullopt}).value();
  ASSERT_EQ(rows.size(), 3U) << "an open intent is no history";
  const HistoryRow& reload = rows[1];
  EXPECT_TRUE(reload.success);
  EXPECT_EQ(reload.version, "v2");
  EXPECT_EQ(reload.requests_during_reload, 1247U);
  EXPECT_EQ(reload.stages.swap_ms, 6);
  EXPECT_EQ(reload.reason, "because");
  EXPECT_EQ(reload.source_ip, "") << "of a column that came later";
  EXPECT_EQ(reload.signed_by, "");
  EXPECT_FALSE(reload.measured.cost);
  EXPECT_EQ(rows[0].code, "invalid_wasm");
  EXPECT_EQ(ledger->version(2)->embedded_version, "2.0.0");
  EXPECT_EQ(ledger->previous_id(2), 1U);
  EXPECT_FALSE(ledger->measures(2).value().cost);
  EXPECT_EQ(ledger->families("waf").value().at("").given, 3U);
  EXPECT_EQ(ledger->totals().value().front().failed, 1U);
  EXPECT_FALSE(ledger->quarantine("waf", "sha2", "conf2").value());
  EXPECT_FALSE(ledger->signature("waf", "sha2").value());
}

TEST_F(OlderLedgerTest, JudgesWhatWasUnderWay) {
  const auto ledger = opened();
  ASSERT_NE(ledger, nullptr);
  control::Version serving;
  serving.id = 2;
  serving.label = "v2";
  control::Slot slot;
  slot.name = "waf";
  slot.current = 2;
  slot.versions = {serving};
  control::InForce document;
  document.generation = 2;
  document.slots = {slot};
  ASSERT_TRUE(ledger->repair(document, [](const control::Version&, VersionRow&) {}, "2025-11-24T02:00:00Z"));
  const auto rows = ledger->history("waf", {.limit = 1, .before = std::nullopt}).value();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].code, "interrupted");
  EXPECT_EQ(ledger->totals().value().front().finished, 3U);
}

TEST_F(OlderLedgerTest, TakesAllThatANewOneTakes) {
  const auto ledger = opened();
  ASSERT_NE(ledger, nullptr);
  const Numbers numbers = ledger->reserve().value();
  EXPECT_EQ(numbers.version_id, 4U);
  Intent intent;
  intent.row.timestamp = "2025-11-24T03:00:00Z";
  intent.row.name = "waf";
  intent.row.kind = "auto_rollback";
  intent.row.version = "v4";
  intent.row.source_ip = "203.0.113.7";
  intent.row.signed_by = "key";
  intent.row.generation = numbers.generation;
  intent.row.measured.cost = engine::Cost{.fuel = 700, .request = "long", .at_least = false};
  intent.version_id = numbers.version_id;
  intent.new_version = VersionRow{.id = numbers.version_id,
                                  .name = "waf",
                                  .label = "v4",
                                  .sha256 = "sha4",
                                  .config_sha256 = "",
                                  .artifact_sha256 = "art4",
                                  .size_bytes = 13,
                                  .artifact_bytes = 23,
                                  .embedded_version = std::nullopt,
                                  .exports_configure = false,
                                  .previous_id = 2,
                                  .created_at = "2025-11-24T03:00:00Z",
                                  .generation = 0};
  intent.measures.cost = intent.row.measured.cost;
  intent.label = {"v4", std::string(kCountedFamily), 4, {}};
  intent.quarantine = Quarantine{.name = "waf",
                                 .sha256 = "sha2",
                                 .config_sha256 = "conf2",
                                 .label = "v2",
                                 .since = "2025-11-24T03:00:00Z",
                                 .reason = "errors"};
  const auto begun = ledger->begin(std::span(&intent, 1));
  ASSERT_TRUE(begun) << begun.error().message;
  ASSERT_TRUE(ledger->succeed(begun->front(), {8, 3, {}}));
  const auto rows = ledger->history("waf", {.limit = 1, .before = std::nullopt}).value();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].source_ip, "203.0.113.7");
  EXPECT_EQ(rows[0].signed_by, "key");
  ASSERT_TRUE(rows[0].measured.cost);
  EXPECT_EQ(ledger->measures(4).value().cost->fuel, 700U);
  EXPECT_EQ(ledger->quarantine("waf", "sha2", "conf2").value()->label, "v2");
}

TEST_F(OlderLedgerTest, HasTheTablesColumnsAndIndexesOfANewOne) {
  ASSERT_TRUE(Ledger::open(file()));
  const auto fresh = folder_ / "fresh.sqlite";
  ASSERT_TRUE(Ledger::open(fresh));
  EXPECT_EQ(shape_of(file()), shape_of(fresh));
  ASSERT_TRUE(Ledger::open(file()));  // once more: nothing is made twice
  EXPECT_EQ(shape_of(file()), shape_of(fresh));
}

}  // namespace
}  // namespace secbeat::agent
