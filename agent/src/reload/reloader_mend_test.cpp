// Artifacts that go while the node runs, and a start that is called off.
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

class MendTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    ASSERT_TRUE(upload({.salt = "second"}));
    compiler_->jobs.clear();
  }
  [[nodiscard]] fs::path artifact(std::size_t version) const {
    return config_.data_dir / "artifacts" / (on_disk().slots[0].versions[version].artifact_sha256 + ".cwasm");
  }
};

TEST_F(MendTest, WhatIsWholeIsLeftAlone) {
  const control::InForce before = on_disk();
  reloader_->mend();
  EXPECT_TRUE(compiler_->jobs.empty());
  EXPECT_EQ(on_disk(), before);
}

TEST_F(MendTest, AnArtifactThatHasGoneIsMadeAgain) {
  const control::InForce before = on_disk();
  const std::string bytes = read_file(artifact(1), 1000).value();
  fs::remove(artifact(1));
  reloader_->mend();
  EXPECT_EQ(read_file(artifact(1), 1000), bytes);
  EXPECT_EQ(on_disk(), before) << "the same artifact needs no other generation";
  EXPECT_EQ(told(), "reload v2 success; load v1 success");
}

TEST_F(MendTest, ADamagedOneIsMadeAgainWhenAWorkerCannotServe) {
  const std::string bytes = read_file(artifact(0), 1000).value();
  write("data/artifacts/" + artifact(0).filename().string(), "damaged");
  reloader_->mend();
  EXPECT_TRUE(compiler_->jobs.empty()) << "nobody has complained";
  hub_.set_target({});
  hub_.start_workers(2);  // they serve nothing
  reloader_->mend();
  EXPECT_EQ(read_file(artifact(0), 1000), bytes);
}

TEST_F(MendTest, AFallbackThatAWorkerLacksIsMadeAgainAndLoadedWithAnotherGeneration) {
  const std::string bytes = read_file(artifact(1), 1000).value();
  const control::InForce before = on_disk();
  write("data/artifacts/" + artifact(1).filename().string(), "damaged");
  hub_.lack("waf v1: damaged", testing::FakeHub::Anew::kLoads);
  reloader_->mend();
  EXPECT_EQ(read_file(artifact(1), 1000), bytes);
  EXPECT_GT(on_disk().generation, before.generation);
  EXPECT_EQ(on_disk().slots, before.slots);
  EXPECT_TRUE(hub_.workers()[0].failed_fallbacks.empty());
  const control::InForce after = on_disk();
  reloader_->mend();
  EXPECT_EQ(on_disk(), after);
}

TEST_F(MendTest, AFallbackThatAWorkerLacksForAnotherReasonIsLoadedAnewOnce) {
  const control::InForce before = on_disk();
  hub_.lack("waf v1: no memory", testing::FakeHub::Anew::kFails);
  reloader_->mend();
  const control::InForce after = on_disk();
  EXPECT_GT(after.generation, before.generation);
  reloader_->mend();
  EXPECT_EQ(on_disk(), after);
  hub_.lack("waf v1: something else", testing::FakeHub::Anew::kFails);
  reloader_->mend();
  EXPECT_GT(on_disk().generation, after.generation);
}

std::vector<WorkerFailure> rejected_by_worker_100() {
  return {{.pid = 100, .module = "waf", .error = {ErrorCode::kArtifactRejected, "damaged"}, .late = false}};
}

TEST_F(MendTest, ARollbackToADamagedVersionMakesItAgain) {
  const std::string bytes = read_file(artifact(1), 1000).value();
  const fs::path damaged = artifact(1);
  write("data/artifacts/" + damaged.filename().string(), "damaged");
  std::vector<std::uint64_t> staged;
  hub_.on_stage = [&](const control::InForce& next) {
    staged.push_back(next.generation);
    return read_file(damaged, 1000) == bytes ? std::vector<WorkerFailure>{} : rejected_by_worker_100();
  };
  const auto done = roll_back();
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(serving(), "v1");
  ASSERT_EQ(staged.size(), 2U);
  EXPECT_EQ(done->generation, staged[1]);
  EXPECT_EQ(on_disk().generation, staged[1]);
  EXPECT_EQ(told(), "rollback v1 success; reload v2 success; load v1 success");
}

TEST_F(MendTest, ARefusedRollbackSaysWhatToDo) {
  spdlog::set_level(spdlog::level::off);
  ASSERT_TRUE(upload({.salt = "third"}));
  write("data/artifacts/" + artifact(1).filename().string(), "damaged");
  fs::remove(config_.data_dir / "modules" / (on_disk().slots[0].versions[1].sha256 + ".wasm"));
  int stages = 0;
  hub_.on_stage = [&](const control::InForce&) {
    ++stages;
    return rejected_by_worker_100();
  };
  const auto done = roll_back();
  ASSERT_FALSE(done);
  EXPECT_LE(stages, 2);
  for (const char* advice : {"secbeat drill", "secbeat rollback waf --to v1", "secbeat bypass"}) {
    EXPECT_NE(done.error().error.message.find(advice), std::string::npos) << done.error().error.message;
  }
  EXPECT_EQ(serving(), "v3");
}

TEST_F(MendTest, AnotherArtifactForTheSameVersionIsANewGeneration) {
  const control::InForce before = on_disk();
  compiler_->work = [](const engine::CompileJob& job, const CancelToken&) {
    auto report = testing::FakeCompiler::succeed(job);
    EXPECT_TRUE(write_file_atomically(job.output, "another artifact"));
    report->artifact_sha256 = sha256_hex("another artifact");
    return report;
  };
  fs::remove(artifact(0));
  reloader_->mend();
  EXPECT_GT(on_disk().generation, before.generation);
  EXPECT_EQ(on_disk().slots[0].current, before.slots[0].current);
  EXPECT_EQ(read_file(artifact(0), 100), "another artifact");
  EXPECT_TRUE(reloader_->ready());
  EXPECT_EQ(serving(), "v2");
}

TEST_F(MendTest, WhatCannotBeMadeAgainStaysInForce) {
  spdlog::set_level(spdlog::level::off);
  const control::InForce before = on_disk();
  fs::remove(artifact(0));
  fs::remove(config_.data_dir / "modules" / (before.slots[0].current_version()->sha256 + ".wasm"));
  reloader_->mend();
  EXPECT_EQ(on_disk(), before);
  EXPECT_EQ(serving(), "v2");
}

TEST_F(MendTest, AConfigurationThatIsDamagedComesBackWithTheSameUpload) {
  spdlog::set_level(spdlog::level::off);
  ASSERT_TRUE(upload({.salt = "third", .configure = true}, "{}"));
  const std::string file = "data/configs/" + sha256_hex("{}");
  write(file, "damaged");
  hub_.set_target({});
  hub_.start_workers(2);  // they serve nothing
  const control::InForce before = on_disk();
  std::ostringstream log;
  const auto usual = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
  reloader_->mend();
  spdlog::set_default_logger(usual);
  EXPECT_NE(log.str().find("upload it again with its configuration"), std::string::npos) << log.str();
  EXPECT_EQ(on_disk(), before);
  EXPECT_TRUE(upload({.salt = "third", .configure = true}, "{}"));
  EXPECT_EQ(read_file(folder_ / file, 10), "{}");
}

class EarlyEndTest : public NodeTest {};

TEST_F(EarlyEndTest, AStartThatIsCalledOffEndsWithItsCompile) {
  work_ = [this](const engine::CompileJob&, const CancelToken& cancel) -> Result<engine::CompileReport> {
    ending_.cancel();
    EXPECT_TRUE(cancel.cancelled());
    return fail(ErrorCode::kCancelled, "The compile was cancelled");
  };
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kShuttingDown);
}

TEST_F(EarlyEndTest, NoVersionIsGivenUpForIt) {
  open_or_fail();
  ASSERT_TRUE(upload({.salt = "second"}));
  const control::InForce before = on_disk();
  reloader_.reset();
  fs::remove_all(config_.data_dir / "artifacts");
  work_ = [this](const engine::CompileJob&, const CancelToken&) -> Result<engine::CompileReport> {
    ending_.cancel();
    return fail(ErrorCode::kCancelled, "The compile was cancelled");
  };
  EXPECT_FALSE(open());
  EXPECT_EQ(on_disk(), before);
}

}  // namespace
}  // namespace secbeat::agent
