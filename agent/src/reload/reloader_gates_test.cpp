// Uploads that are refused for what they would cost, or for the rules that they would lose.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using engine::Cost;
using engine::Inventory;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::NodeTest;
using testing::wasm;

class GatesTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    config_.gates.cost_floor = 1000;
    cost_ = Cost{500, "get-root", false};
    inventory_ = rules(100);
    work_ = [this](const engine::CompileJob& job, const CancelToken&) -> Result<engine::CompileReport> {
      auto report = testing::FakeCompiler::succeed(job);
      if (!report) return report;
      report->cost = cost_;
      report->inventory = inventory_;
      return report;
    };
    open_or_fail();
  }

  static Inventory rules(std::size_t count) {
    Inventory inventory;
    for (std::size_t i = 0; i < count; ++i) inventory.push_back({fmt::format("rule-{}", i), "", {}});
    return inventory;
  }
  Outcome<ReloadResult> upload_as(const std::string& salt, Gates gates = Gates::kOn, Mode mode = Mode::kApply,
                                  UploadKind kind = UploadKind::kReload) {
    Upload upload;
    upload.file = wasm({.salt = salt});
    upload.name = "waf";
    upload.gates = gates;
    upload.mode = mode;
    upload.kind = kind;
    return reloader_->reload(upload);
  }

  std::optional<Cost> cost_;            // of the next upload
  std::optional<Inventory> inventory_;  // of the next upload
};

TEST_F(GatesTest, AnswerAndHistoryTellCostAndRules) {
  EXPECT_EQ(history().front().measured.cost, cost_) << "of the load at start";
  EXPECT_EQ(history().front().measured.inventory->rules, 100U);
  cost_->fuel = 600;
  inventory_ = rules(101);
  const auto done = upload_as("2");
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->measured.cost, cost_);
  EXPECT_EQ(done->measured.inventory->compared_with, "v1");
  EXPECT_THAT(done->measured.inventory->added_ids, ::testing::ElementsAre("rule-100"));
  EXPECT_EQ(history().front().measured, done->measured);
  reopen();
  EXPECT_EQ(history().front().measured, done->measured);
  ASSERT_TRUE(roll_back());
  EXPECT_EQ(history().front().measured, Measured{}) << "a rollback rehearses nothing";
}

TEST_F(GatesTest, AVersionThatCostsTooMuchIsRefusedUnlessForced) {
  cost_ = Cost{5001, "blanks", false};
  for (const Mode mode : {Mode::kApply, Mode::kDryRun}) {
    const auto refused = upload_as("2", Gates::kOn, mode);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kCostLimit);
    EXPECT_EQ(refused.error().current_version, "v1");
    EXPECT_EQ(refused.error().measured.cost, cost_);
  }
  ASSERT_EQ(history().size(), 2U) << "the load and the refused upload";
  EXPECT_EQ(history().front().code, "cost_limit");
  EXPECT_EQ(history().front().measured.cost, cost_);
  EXPECT_EQ(serving(), "v1");

  const auto forced = upload_as("2", Gates::kForced);
  ASSERT_TRUE(forced) << forced.error().error.message;
  EXPECT_THAT(forced->warnings, Contains(HasSubstr("forced: The sample request blanks costs 5001 fuel")));
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(upload_as("3")) << "it is compared with the version in force";
}

TEST_F(GatesTest, ComparesWithTheVersionThatServesAfterARollbackAndARestart) {
  cost_->fuel = 4000;
  ASSERT_TRUE(upload_as("2"));
  ASSERT_TRUE(roll_back());
  reopen();
  cost_->fuel = 5001;  // 10 times v1's 500, not v2's
  EXPECT_EQ(upload_as("3").error().error.code, ErrorCode::kCostLimit);
}

TEST_F(GatesTest, AnUploadThatLosesMostRulesIsRefusedUnlessForced) {
  for (const auto& left : {std::optional(rules(10)), std::optional<Inventory>()}) {
    inventory_ = left;
    const auto refused = upload_as("2");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kInventoryShrank);
    EXPECT_EQ(refused.error().measured.inventory->removed, left ? 90U : 100U);
    EXPECT_EQ(history().front().code, "inventory_shrank");
  }
  EXPECT_EQ(upload_as("2", Gates::kOn, Mode::kDryRun).error().error.code, ErrorCode::kInventoryShrank);
  EXPECT_TRUE(upload_as("2", Gates::kForced));
}

TEST_F(GatesTest, AFileThatLosesMostRulesIsTaken) {
  inventory_ = rules(10);
  const auto done = upload_as("2", Gates::kOn, Mode::kApply, UploadKind::kFileChange);
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->measured.inventory->removed, 90U);
}

TEST_F(GatesTest, AFileThatCostsTooMuchIsNot) {
  cost_->fuel = 5001;
  EXPECT_EQ(upload_as("2", Gates::kOn, Mode::kApply, UploadKind::kFileChange).error().error.code,
            ErrorCode::kCostLimit);
}

// The configuration of a module is changed far more often than its bytes.
class CountingArtifactTest : public GatesTest {
 protected:
  void SetUp() override {
    GatesTest::SetUp();
    work_ = [this](const engine::CompileJob& job, const CancelToken&) -> Result<engine::CompileReport> {
      auto report = testing::FakeCompiler::succeed(job);
      if (!report || job.costing == engine::Costing::kSkip) return report;
      if (!job.counting_output.empty()) {
        if (auto put = write_file_atomically(job.counting_output, "counts"); !put) return std::unexpected(put.error());
        report->counting_sha256 = sha256_hex("counts");
      } else if (read_file(job.counting, 100).value_or("") != "counts") {
        return report;  // as the child, which refuses it
      }
      report->cost = cost_;
      return report;
    };
    inventory_.reset();
    reopen();
    Upload first;
    first.file = wasm({.salt = "2", .configure = true});
    first.gates = Gates::kForced;  // it lists no rules any more
    ASSERT_TRUE(reloader_->reload(first));
  }
  const engine::CompileJob& configured(const std::string& config) {
    EXPECT_TRUE(configure(config));
    return compiler_->jobs.back();
  }
};

TEST_F(CountingArtifactTest, IsKeptForChangesOfTheConfiguration) {
  for (const char* config : {"1", "2"}) {
    const engine::CompileJob job = configured(config);
    EXPECT_TRUE(job.module.empty());
    EXPECT_TRUE(job.counting_output.empty());
    EXPECT_EQ(job.counting_sha256, sha256_hex("counts"));
    EXPECT_EQ(history().front().measured.cost, cost_);
  }
}

TEST_F(CountingArtifactTest, IsMadeAgainAfterARestartAndWhereItIsDamagedOrGone) {
  const auto file =
      config_.data_dir / "counting" / (reloader_->in_force().slots[0].current_version()->sha256 + ".cwasm");
  std::filesystem::remove(file);
  engine::CompileJob job = configured("1");
  EXPECT_FALSE(job.module.empty());
  EXPECT_FALSE(job.artifact.empty()) << "the real one is there";
  EXPECT_TRUE(job.counting.empty());
  ASSERT_TRUE(std::filesystem::exists(file));

  ASSERT_TRUE(write_file_atomically(file, "damaged"));
  EXPECT_FALSE(configured("2").counting.empty());
  EXPECT_FALSE(history().front().measured.cost) << "once";
  EXPECT_TRUE(configured("3").counting.empty());
  EXPECT_TRUE(history().front().measured.cost);

  reopen();
  EXPECT_FALSE(std::filesystem::exists(file)) << "nobody has its checksum any more";
}

TEST_F(CountingArtifactTest, WhatAKeptVersionCostIsNotCountedAgain) {
  const Cost first{111, "get-root", false};
  cost_ = first;
  EXPECT_EQ(configured("1").costing, engine::Costing::kRun);
  cost_ = Cost{222, "get-root", false};
  EXPECT_EQ(configured("2").costing, engine::Costing::kRun);
  EXPECT_EQ(configured("1").costing, engine::Costing::kSkip);
  EXPECT_EQ(history().front().measured.cost, first);
}

TEST_F(CountingArtifactTest, GoesWithItsModule) {
  config_.keep_previous_versions = 0;
  reopen();
  for (const char* salt : {"3", "4", "5"}) ASSERT_TRUE(upload({.salt = salt, .configure = true}));
  EXPECT_EQ(files_in("counting"), files_in("modules")) << "of the version in force and the one before it";
}

TEST_F(GatesTest, WithoutARehearsalNothingIsMissing) {
  config_.rehearse = Rehearse::kNo;
  reopen();
  cost_.reset();
  inventory_.reset();
  const auto done = upload_as("2");
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->measured, Measured{});
}

TEST_F(GatesTest, WithoutMeasuresNothingIsRefused) {
  cost_.reset();
  inventory_.reset();
  ASSERT_TRUE(upload_as("2", Gates::kForced));
  cost_ = Cost{engine::kMostFuel, "blanks", true};
  inventory_ = rules(1);
  EXPECT_TRUE(upload_as("3")) << "there is nothing to compare with";
}

}  // namespace
}  // namespace secbeat::agent
