#include "ledger.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

namespace secbeat::agent {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/ledger-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open();
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "ledger.sqlite"; }
  void open() {
    ledger_.reset();
    auto opened = Ledger::open(file());
    ASSERT_TRUE(opened) << opened.error().message;
    ledger_ = *std::move(opened);
  }
  void repair(const control::InForce& in_force) {
    ASSERT_TRUE(ledger_->repair(
        in_force, [](const control::Version&, VersionRow& row) { row.exports_configure = true; },
        "2025-11-24T01:00:03Z"));
  }

  // A reload from v<n-1> to v<n> as the reloader would write it.
  Intent intent(std::uint64_t number, const Numbers& numbers) const {
    Intent intent;
    intent.row.timestamp = "2025-11-24T01:00:03Z";
    intent.row.name = "waf";
    intent.row.kind = "reload";
    intent.row.version = fmt::format("v{}", number);
    intent.row.from_version = number == 1 ? "" : fmt::format("v{}", number - 1);
    intent.row.generation = numbers.generation;
    intent.row.reason = "because";
    intent.row.stages.compile_ms = 1.5;
    intent.version_id = numbers.version_id;
    intent.new_version = VersionRow{.id = numbers.version_id,
                                    .name = "waf",
                                    .label = intent.row.version,
                                    .sha256 = fmt::format("sha{}", number),
                                    .config_sha256 = "",
                                    .artifact_sha256 = "art",
                                    .size_bytes = 10,
                                    .artifact_bytes = 20,
                                    .embedded_version = std::nullopt,
                                    .exports_configure = false,
                                    .previous_id = number - 1,
                                    .created_at = "2025-11-24T01:00:03Z",
                                    .generation = 0};
    intent.label = {intent.row.version, std::string(kCountedFamily), number, {}};
    return intent;
  }
  std::int64_t begin(std::uint64_t number) {
    const Numbers numbers = ledger_->reserve().value();
    const Intent one = intent(number, numbers);
    return ledger_->begin(std::span(&one, 1)).value().front();
  }
  void succeed(std::uint64_t number) { ASSERT_TRUE(ledger_->succeed(begin(number), {8, 1247, {}})); }

  // What the in-force file says when v<number> serves under this generation.
  static control::InForce serving(std::uint64_t id, std::uint64_t generation) {
    control::Version version;
    version.id = id;
    version.label = fmt::format("v{}", id);
    version.sha256 = fmt::format("sha{}", id);
    control::Slot slot;
    slot.name = "waf";
    slot.current = id;
    slot.versions = {version};
    control::InForce document;
    document.generation = generation;
    document.slots = {slot};
    return document;
  }
  [[nodiscard]] std::vector<HistoryRow> history(Page page = {}) const {
    return ledger_->history(std::nullopt, page).value();
  }

  std::filesystem::path folder_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerTest, KeepsWhatItWasTold) {
  const std::int64_t row = begin(1);
  EXPECT_TRUE(history().empty()) << "an open intent is no history";
  const Stages stages{1, 2, 3, 4, 5, 6, 21};
  ASSERT_TRUE(ledger_->succeed(row, {8, 1247, stages}));
  open();
  ASSERT_EQ(history().size(), 1U);
  const HistoryRow told = history().front();
  EXPECT_EQ(told.id, row);
  EXPECT_TRUE(told.success);
  EXPECT_EQ(told.version, "v1");
  EXPECT_EQ(told.duration_ms, 8U);
  EXPECT_EQ(told.requests_during_reload, 1247U);
  EXPECT_EQ(told.stages.swap_ms, 6);
  EXPECT_EQ(told.reason, "because");
  EXPECT_EQ(ledger_->version(1)->label, "v1");
  EXPECT_EQ(ledger_->version(1)->generation, 1U);
  EXPECT_EQ(ledger_->version(2).error().code, ErrorCode::kUnknownVersion);
  EXPECT_EQ(ledger_->families("waf").value().at("").given, 1U);
  EXPECT_TRUE(ledger_->families("other").value().empty());
}

TEST_F(LedgerTest, AWithdrawnIntentIsAFailureAndItsLabelIsUsedUp) {
  succeed(1);
  ASSERT_TRUE(ledger_->withdraw(begin(2), {ErrorCode::kWorkersDisagree, "one did not"}, {5, 3, {}}));
  const HistoryRow row = history().front();
  EXPECT_FALSE(row.success);
  EXPECT_EQ(row.version, "v1");
  EXPECT_EQ(row.attempted_version, "v2");
  EXPECT_EQ(row.code, "workers_disagree");
  EXPECT_EQ(row.error, "one did not");
  EXPECT_EQ(ledger_->families("waf").value().at("").given, 2U);
  EXPECT_EQ(ledger_->versions(std::nullopt, {.limit = 10, .before = std::nullopt}).value().size(), 1U)
      << "it never came into force";
}

TEST_F(LedgerTest, NumbersNeverComeAgain) {
  const Numbers first = ledger_->reserve().value();
  open();
  const Numbers second = ledger_->reserve().value();
  EXPECT_GT(second.version_id, first.version_id);
  EXPECT_GT(second.generation, first.generation);
}

TEST_F(LedgerTest, NumbersContinueAboveThoseThatOthersHaveSeen) {
  ASSERT_TRUE(ledger_->continue_above({.version_id = 40, .generation = 50}));
  ASSERT_TRUE(ledger_->continue_above({.version_id = 3, .generation = 4}));
  const Numbers next = ledger_->reserve().value();
  EXPECT_EQ(next.version_id, 41U);
  EXPECT_EQ(next.generation, 51U);
}

struct Crash {
  const char* what;
  std::uint64_t generation_in_force;  // of the file that the next start finds
  bool success;
  const char* version;
};

TEST_F(LedgerTest, AnOpenIntentIsJudgedByTheInForceFile) {
  const Crash crashes[] = {
      {"after the intent, before the rename", 1, false, "v1"},
      {"after the rename, before or after the workers swapped", 2, true, "v2"},
      {"after the workers were brought back, before the intent was withdrawn", 3, false, "v1"},
  };
  for (const Crash& crash : crashes) {
    TearDown();
    SetUp();
    succeed(1);
    begin(2);
    open();
    repair(serving(crash.success ? 2 : 1, crash.generation_in_force));
    ASSERT_EQ(history().size(), 2U) << crash.what;
    const HistoryRow row = history().front();
    EXPECT_EQ(row.success, crash.success) << crash.what;
    EXPECT_EQ(row.version, crash.version) << crash.what;
    EXPECT_EQ(row.attempted_version, crash.success ? "" : "v2") << crash.what;
    EXPECT_EQ(row.code, crash.success ? "" : "interrupted") << crash.what;
    EXPECT_EQ(ledger_->version(2)->generation, crash.success ? 2U : 0U) << crash.what;
    EXPECT_EQ(ledger_->totals().value().front().finished, 2U) << crash.what;
    EXPECT_EQ(ledger_->totals().value().front().failed, crash.success ? 0U : 1U) << crash.what;
    repair(serving(1, 9));
    EXPECT_EQ(history().front().success, crash.success) << "judged once: " << crash.what;
  }
}

TEST_F(LedgerTest, SeveralIntentsOfOneGenerationAreJudgedTogether) {
  const Numbers first = ledger_->reserve().value();
  Numbers second = ledger_->reserve().value();
  second.generation = first.generation;
  const Intent intents[] = {intent(1, first), intent(2, second)};
  ASSERT_TRUE(ledger_->begin(intents));
  repair(serving(1, first.generation));
  ASSERT_EQ(history().size(), 2U);
  EXPECT_TRUE(history()[0].success && history()[1].success);
}

TEST_F(LedgerTest, ANewLedgerBesideAnOldInForceFileLearnsFromIt) {
  control::InForce document = serving(7, 40);
  document.slots[0].versions.push_back(document.slots[0].versions[0]);
  document.slots[0].versions[1].id = 5;
  document.slots[0].versions[1].label = "v5";
  document.slots[0].previous = 5;
  repair(document);
  EXPECT_EQ(ledger_->previous_id(7), 5U);
  EXPECT_EQ(ledger_->previous_id(5), 0U);
  EXPECT_TRUE(ledger_->version(7)->exports_configure);
  const Numbers next = ledger_->reserve().value();
  EXPECT_GT(next.version_id, 7U);
  EXPECT_GT(next.generation, 40U);
  EXPECT_TRUE(label_used(ledger_->families("waf").value(), "v7"));
  EXPECT_FALSE(label_used(ledger_->families("waf").value(), "v8"));
  EXPECT_EQ(next_label(ledger_->families("waf").value(), std::nullopt, "").label, "v8");
}

TEST_F(LedgerTest, AnOlderLedgerBesideANewerInForceFileGivesWay) {
  succeed(1);
  control::InForce document = serving(9, 40);
  document.slots[0].versions[0].label = "v1";
  repair(document);
  EXPECT_EQ(ledger_->version(9)->label, "v1");
  EXPECT_FALSE(ledger_->version(1));
}

TEST_F(LedgerTest, ARollbackThatWasOvertakenIsNotWhatWasLastInForce) {
  succeed(1);
  HistoryRow overtaken;
  overtaken.name = "waf";
  overtaken.kind = "auto_rollback";
  overtaken.success = true;
  ASSERT_TRUE(ledger_->record(overtaken));
  const auto last = ledger_->last_in_force().value();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].id, 1U);
}

TEST_F(LedgerTest, PagesAreNewestFirstAndByName) {
  for (std::uint64_t i = 1; i <= 5; ++i) succeed(i);
  HistoryRow other;
  other.name = "other";
  other.kind = "reload";
  ASSERT_TRUE(ledger_->record_failure(other));
  const auto page = history({.limit = 2, .before = std::nullopt});
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].name, "other");
  EXPECT_EQ(page[1].version, "v5");
  EXPECT_EQ(history({.limit = 2, .before = page[1].id})[0].version, "v4");
  EXPECT_EQ(ledger_->history("waf", {}).value().size(), 5U);
  EXPECT_TRUE(ledger_->history("' OR 1=1 --", {}).value().empty());
}

TEST_F(LedgerTest, TotalsCountWhatFinishedAndSurviveTheHistory) {
  succeed(1);
  Intent uncounted = intent(2, ledger_->reserve().value());
  uncounted.counted = Counted::kNo;
  ASSERT_TRUE(ledger_->succeed(ledger_->begin(std::span(&uncounted, 1)).value().front(), {}));
  HistoryRow failed;
  failed.name = "waf";
  failed.kind = "reload";
  failed.stages.total_ms = 8;
  ASSERT_TRUE(ledger_->record_failure(failed));
  const ReloadTotals totals = ledger_->totals().value().front();
  EXPECT_EQ(totals.module, "waf");
  EXPECT_EQ(totals.finished, 2U);
  EXPECT_EQ(totals.failed, 1U);
  EXPECT_DOUBLE_EQ(totals.last_duration_seconds, 0.008);
}

TEST_F(LedgerTest, OldRowsLeaveAndTotalsAndLabelsStay) {
  ledger_.reset();
  ledger_ = Ledger::open(file(), {.history = 3, .versions = 2}).value();
  for (std::uint64_t i = 1; i <= 5; ++i) succeed(i);
  const auto rows = history();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.back().version, "v3");
  EXPECT_EQ(ledger_->totals().value().front().finished, 5U);
  EXPECT_EQ(ledger_->versions("waf", {.limit = 10, .before = std::nullopt}).value().size(), 2U);
  EXPECT_TRUE(label_used(ledger_->families("waf").value(), "v1"));
}

TEST_F(LedgerTest, ANewerSchemaIsRefusedWithASentence) {
  ledger_.reset();
  {
    SQLite::Database database(file().string(), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA user_version = 2");
  }
  const auto opened = Ledger::open(file());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig);
  EXPECT_NE(opened.error().message.find("newer SecBeat (schema 2, this one knows 1)"), std::string::npos);
}

TEST_F(LedgerTest, AFileThatIsNoLedgerIsRefusedWithASentence) {
  const std::filesystem::path text = folder_ / "text";
  std::ofstream(text) << std::string(5000, 'x');
  EXPECT_EQ(Ledger::open(text).error().code, ErrorCode::kConfig);
  const std::filesystem::path foreign = folder_ / "foreign";
  {
    SQLite::Database database(foreign.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("CREATE TABLE t (x); PRAGMA user_version = 1;");
  }
  EXPECT_NE(Ledger::open(foreign).error().message.find("another program's"), std::string::npos);
}

TEST_F(LedgerTest, EveryCommitReachesTheDisk) {
  SQLite::Database database(file().string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "wal");
}

}  // namespace
}  // namespace secbeat::agent
