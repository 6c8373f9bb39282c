// Real files in a folder, and a reloader that writes down what it is asked to do.
//
// Thread safety: RecordingReloader may be used from any thread; the rest by the test's.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "secbeat/agent/reloader.hpp"

namespace secbeat::agent::testing {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override { return SystemTime{std::chrono::milliseconds(now_ms_.load())}; }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime{std::chrono::milliseconds(now_ms_.load())}; }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ms_{1763946003000};
};

class RecordingReloader final : public Reloader {
 public:
  std::vector<std::string> names;
  std::function<Outcome<ReloadResult>(const Upload&)> answer;  // null: success

  // What came, oldest first.
  [[nodiscard]] std::vector<Upload> uploads() const;

  Outcome<ReloadResult> reload(const Upload& upload) override;
  Outcome<RollbackResult> rollback(const Rollback& rollback) override;
  Outcome<RemovalResult> remove(const Removal& removal) override;
  Outcome<VersionView> version(const std::optional<std::string>& name) const override;
  [[nodiscard]] std::vector<VersionView> modules() const override { return {}; }
  Outcome<std::vector<HistoryRow>> history(const std::optional<std::string>&, Page) const override { return {}; }
  Outcome<KnownVersions> versions(const std::optional<std::string>&, Page) const override { return {}; }
  Outcome<std::string> module_bytes(std::string_view sha256) const override;
  Outcome<std::string> config_bytes(std::string_view) const override { return std::string(); }
  [[nodiscard]] std::vector<ReloadTotals> totals() const override { return {}; }
  [[nodiscard]] control::InForce in_force() const override { return document; }
  [[nodiscard]] std::string label_of(std::uint64_t) const override { return {}; }
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::vector<std::string> configured_names() const override { return names; }
  [[nodiscard]] std::optional<Operation> operation() const override { return {}; }
  Result<void> lift_quarantine(std::string_view, std::uint64_t) override { return {}; }
  Result<void> record(const HistoryRow&) override { return {}; }
  Outcome<RehearsedRollback> rehearse_rollback(const std::string&) override { return RehearsedRollback{}; }
  void set_keeper(VersionKeeper*) override {}
  void mend() override {}
  void shut_down() override {}

  control::InForce document;
  std::string serving_bytes;  // of every version of `document`

 private:
  mutable std::mutex mutex_;
  std::vector<Upload> uploads_;  // guarded by mutex_
};

// A module without code that embeds `name` where it is given; `salt` makes the bytes differ.
std::string wasm(const std::string& salt, const std::string& name = {});

class FilesTest : public ::testing::Test {
 protected:
  FilesTest();
  ~FilesTest() override;

  void write_in_place(const std::string& file, std::string_view bytes) const;
  void replace(const std::string& file, std::string_view bytes) const;  // by rename
  // waf.wasm, called "waf", with waf-config.json.
  void name_module();

  std::filesystem::path folder_;
  Config config_;
  RecordingReloader reloader_;
};

Failure failure(ErrorCode code);

}  // namespace secbeat::agent::testing
