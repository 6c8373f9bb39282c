#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;

class ReloaderTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
  }
};

TEST_F(ReloaderTest, TheModuleOfTheFileIsServedFromTheStart) {
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "load v1 success");
  EXPECT_EQ(history().front().by, "start");
  EXPECT_EQ(hub_.target(), on_disk().generation);
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(ReloaderTest, AnUploadReplacesTheVersionInEveryWorker) {
  const auto done = upload({.salt = "second"});
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->name, "waf");
  EXPECT_EQ(done->version, "v2");
  EXPECT_EQ(done->previous_version, "v1");
  EXPECT_EQ(done->downtime_ms, 0U);
  EXPECT_EQ(done->max_pause_us, 2U);
  EXPECT_EQ(done->workers.serving, 2U);
  EXPECT_EQ(done->workers.total, 2U);
  EXPECT_FALSE(done->unchanged);
  EXPECT_EQ(serving(), "v2");
  EXPECT_EQ(on_disk().generation, done->generation);
  EXPECT_EQ(on_disk(), reloader_->in_force());
  EXPECT_EQ(told(), "reload v2 success; load v1 success");
  const HistoryRow row = history().front();
  EXPECT_EQ(row.from_version, "v1");
  EXPECT_EQ(row.attempted_version, "");
  EXPECT_EQ(row.generation, done->generation);
  EXPECT_EQ(row.request_id, "request-1");
  EXPECT_EQ(row.sha256, done->sha256);
}

TEST_F(ReloaderTest, WhatIsUnderWayIsToldStageByStage) {
  std::vector<std::string> told;
  const auto look = [&] {
    const auto operation = reloader_->operation();
    told.push_back(operation ? fmt::format("{} {} {} {}", operation->kind, operation->name, word_of(operation->stage),
                                           operation->elapsed_ms)
                             : "nothing");
  };
  compiler_->work = [&](const engine::CompileJob& job, const CancelToken&) {
    clock_.advance(std::chrono::milliseconds(7));
    look();
    return testing::FakeCompiler::succeed(job);
  };
  hub_.on_stage = [&](const control::InForce&) {
    look();
    return std::vector<WorkerFailure>{};
  };
  hub_.on_commit = [&](std::uint64_t) {
    look();
    return std::vector<WorkerFailure>{};
  };
  look();
  ASSERT_TRUE(upload({.salt = "second"}));
  look();
  ASSERT_TRUE(roll_back());
  look();
  EXPECT_EQ(told, (std::vector<std::string>{"nothing", "reload waf check 7", "reload waf stage 7", "reload waf swap 7",
                                            "nothing", "rollback waf stage 0", "rollback waf swap 0", "nothing"}));
}

TEST_F(ReloaderTest, ARollbackGoesBackWithoutTheCompiler) {
  ASSERT_TRUE(upload({.salt = "second"}));
  const std::size_t jobs = compiler_->jobs.size();
  const auto back = roll_back();
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->rolled_back_to, "v1");
  EXPECT_EQ(back->from_version, "v2");
  EXPECT_EQ(back->reason, "Manual rollback");
  EXPECT_EQ(back->workers.serving, 2U);
  EXPECT_EQ(compiler_->jobs.size(), jobs);
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "rollback v1 success; reload v2 success; load v1 success");
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(ReloaderTest, ARefusedModuleLeavesNothingBehind) {
  compiler_->work = [](const engine::CompileJob&, const CancelToken&) {
    engine::CompileReport report;
    report.error = Error{ErrorCode::kMissingExport, "Invalid WASM module: missing inspect_request export"};
    return Result<engine::CompileReport>(report);
  };
  const control::InForce before = reloader_->in_force();
  const auto done = upload({.salt = "broken"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.message, "Invalid WASM module: missing inspect_request export");
  EXPECT_TRUE(done.error().about_module);
  EXPECT_EQ(done.error().current_version, "v1");
  EXPECT_EQ(reloader_->in_force(), before);
  EXPECT_EQ(on_disk(), before);
  EXPECT_EQ(hub_.staged().generation, 0U);
  EXPECT_EQ(files_in("modules"), 1U);
  EXPECT_EQ(files_in("artifacts"), 1U);
  EXPECT_EQ(files_in("work"), 0U);
  const HistoryRow row = history().front();
  EXPECT_FALSE(row.success);
  EXPECT_EQ(row.version, "v1");
  EXPECT_EQ(row.attempted_version, "v2");
  EXPECT_EQ(row.code, "missing_export");

  compiler_->work = nullptr;
  EXPECT_EQ(upload({.salt = "corrected"})->version, "v2") << "a refused upload uses up no label";
}

TEST_F(ReloaderTest, BytesThatAreNoModuleAreRefusedWithoutTheCompiler) {
  const std::size_t jobs = compiler_->jobs.size();
  Upload text;
  text.file = "#!/bin/sh";
  const auto done = reloader_->reload(text);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kInvalidWasm);
  EXPECT_TRUE(done.error().error.message.starts_with("Invalid WASM module: ")) << done.error().error.message;
  EXPECT_EQ(done.error().current_version, "v1");
  EXPECT_EQ(compiler_->jobs.size(), jobs);
  EXPECT_EQ(told(), "reload v1 invalid_wasm; load v1 success");
}

TEST_F(ReloaderTest, AModuleOverTheLimitIsRefusedWithBothNumbers) {
  Upload large;
  large.file = std::string(config_.max_module_bytes + 1, 'x');
  const auto done = reloader_->reload(large);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kTooLarge);
  EXPECT_EQ(done.error().error.message, "The module has 4194305 bytes; the limit is 4194304 bytes");
}

TEST_F(ReloaderTest, TheVersionThatIsExpectedDecides) {
  Upload upload;
  upload.file = testing::wasm({.salt = "second"});
  upload.expected_version = "v2";
  const auto conflict = reloader_->reload(upload);
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().error.code, ErrorCode::kVersionConflict);
  EXPECT_EQ(conflict.error().error.message, "Version conflict: expected v2, got v1");
  upload.expected_version = "v1";
  EXPECT_TRUE(reloader_->reload(upload));
}

TEST_F(ReloaderTest, TheSameBytesAndConfigurationChangeNothing) {
  const std::size_t jobs = compiler_->jobs.size();
  const auto done = upload({.salt = "first"});
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->unchanged);
  EXPECT_EQ(done->version, "v1");
  EXPECT_EQ(done->workers.serving, 2U);
  EXPECT_EQ(compiler_->jobs.size(), jobs);
  EXPECT_EQ(told(), "load v1 success");
}

TEST_F(ReloaderTest, ADryRunChecksEverythingAndChangesNothing) {
  Upload upload;
  upload.mode = Mode::kDryRun;
  upload.file = testing::wasm({.salt = "second"});
  const control::InForce before = on_disk();
  const auto done = reloader_->reload(upload);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->version, "v2");
  EXPECT_FALSE(done->unchanged);
  EXPECT_EQ(compiler_->jobs.size(), 2U);
  EXPECT_EQ(on_disk(), before);
  EXPECT_EQ(hub_.staged().generation, 0U);
  EXPECT_EQ(told(), "load v1 success");
  EXPECT_EQ(files_in("modules") + files_in("artifacts") + files_in("work"), 2U);
  upload.file = testing::wasm({.salt = "first"});
  const auto same = reloader_->reload(upload);
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->unchanged);
  EXPECT_EQ(same->version, "v1");
  EXPECT_EQ(compiler_->jobs.size(), 3U) << "also what is in force can be tried out";
}

TEST_F(ReloaderTest, ARefusedDryRunIsNoHistory) {
  compiler_->work = [](const engine::CompileJob&, const CancelToken&) {
    return Result<engine::CompileReport>(fail(ErrorCode::kCompileTimeout, "Reload timed out after 30s"));
  };
  Upload upload;
  upload.mode = Mode::kDryRun;
  upload.file = testing::wasm({.salt = "second"});
  EXPECT_EQ(reloader_->reload(upload).error().error.message, "Reload timed out after 30s");
  EXPECT_EQ(told(), "load v1 success");
}

TEST_F(ReloaderTest, WithoutWorkersAnUploadIsRefusedAndARollbackIsNot) {
  ASSERT_TRUE(upload({.salt = "second"}));
  hub_.start_workers(0);
  const auto done = upload({.salt = "third"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kNoWorker);
  EXPECT_FALSE(reloader_->ready());
  EXPECT_TRUE(roll_back());
  EXPECT_EQ(on_disk().slots[0].current_version()->label, "v1");
}

TEST_F(ReloaderTest, AnEmbeddedVersionIsTheLabelAndStaysUnique) {
  EXPECT_EQ(upload({.version = "1.4.2", .salt = "a"})->version, "1.4.2");
  const auto again = upload({.version = "1.4.2", .salt = "b"});
  EXPECT_EQ(again->version, "1.4.2+2");
  ASSERT_EQ(again->warnings.size(), 1U);
  EXPECT_EQ(upload({.salt = "c"})->version, "v2");
  EXPECT_EQ(reloader_->version(std::nullopt)->embedded_version, std::nullopt);
  EXPECT_EQ(roll_back()->rolled_back_to, "1.4.2+2");
  EXPECT_EQ(reloader_->version(std::nullopt)->embedded_version, "1.4.2");
}

TEST_F(ReloaderTest, NamesComeFromTheFormThenTheModuleThenTheNode) {
  EXPECT_EQ(upload({.salt = "x"})->name, "waf");
  EXPECT_EQ(upload({.name = "second", .salt = "x"})->name, "second");
  Upload named;
  named.file = testing::wasm({.name = "second", .salt = "y"});
  named.name = "third";
  const auto third = reloader_->reload(named);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->name, "third");
  EXPECT_EQ(third->version, "v1");
  EXPECT_EQ(third->previous_version, std::nullopt);
  std::string chain;
  for (const VersionView& module : reloader_->modules()) chain += module.name + " ";
  EXPECT_EQ(chain, "waf second third ");
  named.name = "../etc/passwd";
  EXPECT_EQ(reloader_->reload(named).error().error.code, ErrorCode::kBadRequest);
}

TEST_F(ReloaderTest, AnUnknownModuleIsToldWithThoseThereAre) {
  const auto view = reloader_->version("wav");
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().error.code, ErrorCode::kUnknownModule);
  EXPECT_EQ(view.error().names, std::vector<std::string>{"waf"});
  EXPECT_EQ(reloader_->history("wav", {}).error().error.code, ErrorCode::kUnknownModule);
  EXPECT_EQ(reloader_->versions("wav", {}).error().error.code, ErrorCode::kUnknownModule);
  EXPECT_EQ(configure("{}", "wav").error().error.code, ErrorCode::kUnknownModule);
}

TEST_F(ReloaderTest, ReloadsThatChangedWhatIsServedAreLimited) {
  reloader_.reset();
  config_.max_reload_frequency = std::chrono::seconds(10);
  open_or_fail();
  compiler_->work = [](const engine::CompileJob&, const CancelToken&) {
    return Result<engine::CompileReport>(fail(ErrorCode::kCompileFailed, "no"));
  };
  EXPECT_FALSE(upload({.salt = "refused"}));
  compiler_->work = nullptr;
  EXPECT_TRUE(upload({.salt = "corrected at once"}));
  clock_.advance(std::chrono::milliseconds(3100));
  const auto limited = upload({.salt = "too soon"});
  ASSERT_FALSE(limited);
  EXPECT_EQ(limited.error().error.code, ErrorCode::kRateLimited);
  EXPECT_EQ(limited.error().error.message, "Reloads are limited to one every 10 s; try again in 7 s");
  EXPECT_EQ(limited.error().retry_after_seconds, 7U);
  EXPECT_TRUE(upload({.name = "other", .salt = "another module"}));
  EXPECT_TRUE(roll_back()) << "a rollback is never limited";
  Upload forced;
  forced.file = testing::wasm({.salt = "forced"});
  forced.gates = Gates::kForced;
  EXPECT_TRUE(reloader_->reload(forced));
  clock_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(upload({.salt = "in time"}));
}

TEST_F(ReloaderTest, WhereHotReloadIsDisabledOnlyRollbacksAndDryRunsWork) {
  ASSERT_TRUE(upload({.salt = "second"}));
  reloader_.reset();
  config_.hot_reload_enabled = false;
  open_or_fail();
  const auto refused = upload({.salt = "third"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::kHotReloadDisabled);
  EXPECT_EQ(refused.error().error.message, "Hot reload is disabled");
  EXPECT_EQ(refused.error().current_version, "v2");
  Upload dry;
  dry.mode = Mode::kDryRun;
  dry.file = testing::wasm({.salt = "third"});
  EXPECT_TRUE(reloader_->reload(dry));
  EXPECT_TRUE(roll_back());
}

TEST_F(ReloaderTest, OnlyTheVersionsOfTheWindowKeepTheirFiles) {
  for (const char* salt : {"2", "3", "4", "5"}) ASSERT_TRUE(upload({.salt = salt}));
  EXPECT_EQ(reloader_->version(std::nullopt)->kept, (std::vector<std::string>{"v4", "v3"}));
  std::string states;
  const auto versions = reloader_->versions(std::nullopt, {}).value().versions;
  for (const KnownVersion& version : versions) states += version.version + " " + version.state + "; ";
  EXPECT_EQ(states, "v5 serving; v4 previous; v3 kept; v2 stored; v1 removed; ")
      << "what the generation before named goes with the next one";
  EXPECT_EQ(reloader_->module_bytes(versions[0].sha256).value(), testing::wasm({.salt = "5"}));
  EXPECT_EQ(reloader_->module_bytes(versions[4].sha256).error().error.code, ErrorCode::kUnknownVersion);
  EXPECT_EQ(reloader_->module_bytes("../ledger.sqlite").error().error.code, ErrorCode::kBadRequest);
  reopen();
  EXPECT_EQ(files_in("modules"), 3U);
  EXPECT_EQ(files_in("artifacts"), 3U);
}

TEST_F(ReloaderTest, VersionsComeInPages) {
  for (const char* salt : {"2", "3", "4", "5"}) ASSERT_TRUE(upload({.salt = salt}));
  std::string labels;
  Page page{.limit = 2, .before = std::nullopt};
  for (auto known = reloader_->versions("waf", page).value(); !known.versions.empty();
       known = reloader_->versions("waf", page).value()) {
    EXPECT_EQ(known.total, 5U);
    for (const KnownVersion& version : known.versions) labels += version.version;
    page.before = known.versions.back().id;
  }
  EXPECT_EQ(labels, "v5v4v3v2v1");
}

TEST_F(ReloaderTest, VersionsAreKnownByTheirNumberAlsoWhenTheyHaveLeft) {
  const std::uint64_t first = reloader_->in_force().slots[0].current;
  for (const char* salt : {"2", "3", "4", "5"}) ASSERT_TRUE(upload({.salt = salt}));
  EXPECT_EQ(reloader_->label_of(first), "v1");
  EXPECT_EQ(reloader_->label_of(reloader_->in_force().slots[0].current), "v5");
  EXPECT_EQ(reloader_->label_of(4711), "");
}

TEST_F(ReloaderTest, TotalsCountAttemptsAndNotTheStart) {
  EXPECT_EQ(reloader_->totals().front().finished, 0U);
  ASSERT_TRUE(upload({.salt = "2"}));
  ASSERT_TRUE(roll_back());
  Upload text;
  text.file = "text";
  ASSERT_FALSE(reloader_->reload(text));
  const ReloadTotals totals = reloader_->totals().front();
  EXPECT_EQ(totals.module, "waf");
  EXPECT_EQ(totals.finished, 3U);
  EXPECT_EQ(totals.failed, 1U);
}

TEST_F(ReloaderTest, FailuresUnderNamesThatNeverCameIntoForceAreCountedTogether) {
  for (const char* name : {"a", "b", "c"}) {
    Upload nonsense;
    nonsense.file = "text";
    nonsense.name = name;
    ASSERT_FALSE(reloader_->reload(nonsense));
  }
  ASSERT_TRUE(upload({.name = "a", .salt = "1"}));
  std::string told;
  for (const ReloadTotals& total : reloader_->totals()) {
    told += fmt::format("{} {} {}; ", total.module, total.finished, total.failed);
  }
  EXPECT_EQ(told, "(others) 3 3; a 1 0; waf 0 0; ");
}

TEST_F(ReloaderTest, StagesAndRequestsAreMeasuredFromTheReceipt) {
  control::WorkerSlot& slot = scoreboard_->layout().workers[0];
  compiler_->work = [&](const engine::CompileJob& job, const CancelToken&) {
    clock_.advance(std::chrono::milliseconds(50));
    slot.requests += 100;
    auto report = testing::FakeCompiler::succeed(job);
    report->validate_ms = 2;
    report->rehearse_ms = 8;
    return report;
  };
  hub_.on_stage = [&](const control::InForce&) {
    clock_.advance(std::chrono::milliseconds(5));
    return std::vector<WorkerFailure>{};
  };
  hub_.on_commit = [&](std::uint64_t) {
    clock_.advance(std::chrono::milliseconds(1));
    slot.requests += 11;
    return std::vector<WorkerFailure>{};
  };
  hub_.pause_ns = 1'999'999;
  Upload upload;
  upload.file = testing::wasm({.salt = "second"});
  upload.received = clock_.steady();
  clock_.advance(std::chrono::milliseconds(3));
  const auto done = reloader_->reload(upload);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->downtime_ms, 1U);
  EXPECT_EQ(done->max_pause_us, 1999U);
  EXPECT_EQ(done->requests_during_reload, 111U);
  EXPECT_DOUBLE_EQ(done->stages.receive_ms, 3);
  EXPECT_DOUBLE_EQ(done->stages.validate_ms, 2);
  EXPECT_DOUBLE_EQ(done->stages.compile_ms, 40);
  EXPECT_DOUBLE_EQ(done->stages.rehearse_ms, 8);
  EXPECT_DOUBLE_EQ(done->stages.stage_ms, 5);
  EXPECT_DOUBLE_EQ(done->stages.swap_ms, 1);
  EXPECT_DOUBLE_EQ(done->stages.total_ms, 59);
  EXPECT_EQ(history().front().duration_ms, 59U);
  EXPECT_EQ(history().front().requests_during_reload, 111U);
  EXPECT_DOUBLE_EQ(reloader_->totals().front().last_duration_seconds, 0.059);
}

}  // namespace
}  // namespace secbeat::agent
