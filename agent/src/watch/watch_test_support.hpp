// A scoreboard that a test counts in, a clock that it sets, and a reloader that does what a test says.
//
// Thread safety: used by the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "figures.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/files.hpp"
#include "watch_book.hpp"

namespace secbeat::agent::testing {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override { return SystemTime{std::chrono::milliseconds(now_ms_ + stepped_ms_)}; }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime{std::chrono::milliseconds(now_ms_)}; }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }
  // Somebody sets the wall clock; no time passes.
  void step(std::chrono::milliseconds by) { stepped_ms_ += by.count(); }

 private:
  std::int64_t stepped_ms_ = 0;
  std::int64_t now_ms_ = 1763946003000;  // 2025-11-24T01:00:03Z
};

struct Counts {
  std::uint64_t allowed = 0;
  std::uint64_t blocked = 0;
  std::uint64_t limited = 0;
  std::uint64_t traps = 0;
  std::uint64_t deadlines = 0;
  std::size_t bucket = 3;    // of all times: 2 to 5 µs
  std::int64_t seconds = 0;  // that it took; 0: not known
};
Figures counted(const Counts& counts);

// A chain whose versions a test brings in and takes back.
class ScriptedReloader final : public Reloader {
 public:
  explicit ScriptedReloader(const Clock& clock) : clock_(clock) {}

  // A version that nobody has seen; the one before it stays loaded. Its id.
  std::uint64_t bring_in(const std::string& module = "waf");
  // As an operator does.
  void go_back(const std::string& module = "waf");

  std::vector<Rollback> rollbacks;  // that came
  std::function<std::optional<Failure>()> refusal;
  std::function<void()> swapping;  // in a rollback that is wanted
  std::vector<HistoryRow> recorded;
  std::vector<HistoryRow> told;  // what the history has
  std::optional<Error> record_refusal;
  std::vector<std::uint64_t> lifted;
  std::optional<Operation> under_way;
  control::InForce document;

  Outcome<ReloadResult> reload(const Upload&) override { return ReloadResult{}; }
  Outcome<RollbackResult> rollback(const Rollback& rollback) override;
  Outcome<RemovalResult> remove(const Removal&) override { return RemovalResult{}; }
  Outcome<VersionView> version(const std::optional<std::string>&) const override { return VersionView{}; }
  [[nodiscard]] std::vector<VersionView> modules() const override { return {}; }
  Outcome<std::vector<HistoryRow>> history(const std::optional<std::string>&, Page) const override { return told; }
  Outcome<KnownVersions> versions(const std::optional<std::string>& name, Page page) const override;
  Outcome<std::string> module_bytes(std::string_view) const override { return std::string(); }
  Outcome<std::string> config_bytes(std::string_view) const override { return std::string(); }
  [[nodiscard]] std::vector<ReloadTotals> totals() const override { return {}; }
  [[nodiscard]] control::InForce in_force() const override { return document; }
  [[nodiscard]] std::string label_of(std::uint64_t) const override { return {}; }
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::vector<std::string> configured_names() const override { return {}; }
  [[nodiscard]] std::optional<Operation> operation() const override { return under_way; }
  Result<void> lift_quarantine(std::string_view, std::uint64_t version_id) override;
  Result<void> record(const HistoryRow& row) override {
    if (record_refusal) return std::unexpected(*record_refusal);
    recorded.push_back(row);
    return {};
  }
  Outcome<RehearsedRollback> rehearse_rollback(const std::string&) override { return RehearsedRollback{}; }
  void set_keeper(VersionKeeper*) override {}
  void mend() override {}
  void shut_down() override {}

 private:
  control::Slot& slot_of(const std::string& module);

  const Clock& clock_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::string> created_;
};

class WatchTest : public ::testing::Test {
 protected:
  WatchTest();
  ~WatchTest() override;

  // Adds to what a worker has counted for a version.
  void count(std::uint64_t version_id, const Figures& figures, std::size_t worker = 0);
  // A book of an agent that has just started.
  void open();
  void look_after(std::chrono::milliseconds time);
  [[nodiscard]] WatchState state(const std::string& module = "waf") const;

  std::filesystem::path folder_;
  Config config_;
  ManualClock clock_;
  ScriptedReloader reloader_{clock_};
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::unique_ptr<WatchBook> book_;
};

}  // namespace secbeat::agent::testing
