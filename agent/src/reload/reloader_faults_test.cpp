// What can go wrong between an upload and its answer: workers, crashes, other operations, the end of the node.
#include <gtest/gtest.h>
#include <poll.h>

#include <future>
#include <thread>

#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;
namespace fs = std::filesystem;

WorkerFailure failure(std::int32_t pid, ErrorCode code, const std::string& message) {
  return {.pid = pid, .module = "waf", .error = {code, message}};
}

class ReloaderFaultsTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    before_ = reloader_->in_force();
  }

  // The compile runs until it is cancelled; `started_` is ready when it does.
  void compile_until_cancelled() {
    compiler_->work = [this](const engine::CompileJob&, const CancelToken& cancel) {
      started_.set_value();
      pollfd wanted{cancel.fd(), POLLIN, 0};
      while (::poll(&wanted, 1, -1) < 1) {
      }
      return Result<engine::CompileReport>(fail(ErrorCode::kCancelled, "cancelled"));
    };
  }

  // What a node finds that starts on a copy of the files as they are now: what a crash at this moment leaves.
  void crash() {
    fs::remove_all(folder_ / "crashed");
    fs::copy(config_.data_dir, folder_ / "crashed", fs::copy_options::recursive);
  }
  void start_after_crash() {
    reloader_.reset();
    hub_.on_stage = nullptr;
    hub_.on_commit = nullptr;
    config_.data_dir = folder_ / "crashed";
    open_or_fail();
  }

  control::InForce before_;
  std::promise<void> started_;
};

TEST_F(ReloaderFaultsTest, WhereEveryWorkerSaysTheSameAboutTheModuleItIsTheModule) {
  hub_.on_stage = [](const control::InForce&) {
    return std::vector{failure(100, ErrorCode::kConfigureFailed, "rule 7: bad pattern"),
                       failure(101, ErrorCode::kConfigureFailed, "rule 7: bad pattern")};
  };
  const auto done = upload({.salt = "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(done.error().error.message, "rule 7: bad pattern");
  EXPECT_EQ(done.error().current_version, "v1");
  EXPECT_EQ(hub_.aborted(), std::vector<std::uint64_t>{hub_.staged().generation});
  EXPECT_EQ(on_disk(), before_);
  EXPECT_EQ(reloader_->in_force(), before_);
  EXPECT_EQ(told(), "reload v1 configure_failed; load v1 success");
  EXPECT_EQ(files_in("modules"), 1U);
}

TEST_F(ReloaderFaultsTest, WhereAWorkerDoesNotGetReadyNothingIsSwapped) {
  hub_.on_stage = [](const control::InForce&) {
    return std::vector{failure(101, ErrorCode::kProtocol, "no answer within 15 s")};
  };
  const auto done = upload({.salt = "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kWorkersDisagree);
  EXPECT_NE(done.error().error.message.find("worker 101: no answer"), std::string::npos);
  ASSERT_EQ(done.error().workers.size(), 1U);
  EXPECT_EQ(on_disk(), before_);
  hub_.on_stage = nullptr;
  EXPECT_EQ(upload({.salt = "second"})->version, "v2") << "a failure leaves no residue";
}

TEST_F(ReloaderFaultsTest, WhereAWorkerDoesNotSwapEveryoneIsBroughtBack) {
  std::uint64_t failed_generation = 0;
  hub_.on_commit = [&](std::uint64_t generation) {
    if (failed_generation != 0) return std::vector<WorkerFailure>{};
    failed_generation = generation;
    return std::vector{failure(101, ErrorCode::kProtocol, "no answer")};
  };
  const auto done = upload({.salt = "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kWorkersDisagree);
  EXPECT_EQ(done.error().workers.at(0).pid, 101);
  EXPECT_EQ(done.error().current_version, "v1");
  EXPECT_GT(on_disk().generation, failed_generation);
  EXPECT_EQ(on_disk().slots, before_.slots);
  EXPECT_EQ(reloader_->in_force(), on_disk());
  EXPECT_TRUE(reloader_->ready()) << "both workers are back";
  EXPECT_EQ(told(), "reload v1 workers_disagree; load v1 success");
  EXPECT_EQ(history().front().attempted_version, "v2");
  EXPECT_EQ(upload({.salt = "third"})->version, "v3") << "requests may have met v2";
}

TEST_F(ReloaderFaultsTest, AWorkerThatCannotBeBroughtBackDoesNotHideTheAnswer) {
  hub_.on_commit = [&](std::uint64_t) { return std::vector{failure(101, ErrorCode::kProtocol, "no answer")}; };
  EXPECT_EQ(upload({.salt = "second"}).error().error.code, ErrorCode::kWorkersDisagree);
  EXPECT_EQ(on_disk().slots, before_.slots);
  EXPECT_FALSE(reloader_->ready());
  hub_.on_commit = nullptr;
  EXPECT_TRUE(upload({.salt = "second"}));
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(ReloaderFaultsTest, WorkersThatVanishWhileTheyStageLeaveTheOldVersion) {
  hub_.on_stage = [&](const control::InForce&) {
    hub_.start_workers(0);
    return std::vector<WorkerFailure>{};
  };
  EXPECT_EQ(upload({.salt = "second"}).error().error.code, ErrorCode::kNoWorker);
  EXPECT_EQ(on_disk(), before_);
}

TEST_F(ReloaderFaultsTest, ACrashBeforeTheRenameIsAnUploadThatNeverWas) {
  hub_.on_stage = [&](const control::InForce&) {
    crash();
    return std::vector<WorkerFailure>{};
  };
  ASSERT_TRUE(upload({.salt = "second"}));
  start_after_crash();
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "load v1 success");
  EXPECT_EQ(files_in("modules"), 1U);
  EXPECT_EQ(upload({.salt = "third"})->version, "v2");
}

TEST_F(ReloaderFaultsTest, ACrashAfterTheRenameIsAnUploadThatSucceeded) {
  hub_.on_commit = [&](std::uint64_t) {
    crash();
    return std::vector<WorkerFailure>{};
  };
  ASSERT_TRUE(upload({.salt = "second"}));
  start_after_crash();
  EXPECT_EQ(serving(), "v2");
  EXPECT_EQ(told(), "reload v2 success; load v1 success");
  EXPECT_EQ(hub_.target(), on_disk().generation);
  EXPECT_EQ(roll_back()->rolled_back_to, "v1");
}

TEST_F(ReloaderFaultsTest, ACrashWhileTheWorkersAreBroughtBackIsAFailedUpload) {
  bool first = true;
  hub_.on_commit = [&](std::uint64_t) {
    if (first) {
      first = false;
      return std::vector{failure(101, ErrorCode::kProtocol, "no answer")};
    }
    crash();
    return std::vector<WorkerFailure>{};
  };
  ASSERT_FALSE(upload({.salt = "second"}));
  start_after_crash();
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "reload v1 interrupted; load v1 success");
  EXPECT_EQ(upload({.salt = "third"})->version, "v3");
}

TEST_F(ReloaderFaultsTest, GenerationsOnlyGrow) {
  std::uint64_t last = on_disk().generation;
  const auto grows = [&] {
    EXPECT_GT(on_disk().generation, last);
    last = on_disk().generation;
  };
  ASSERT_TRUE(upload({.salt = "second"}));
  grows();
  ASSERT_TRUE(roll_back());
  grows();
  reopen();
  ASSERT_TRUE(upload({.salt = "third"}));
  grows();
}

TEST_F(ReloaderFaultsTest, ASecondUploadAtTheSameTimeIsTurnedAway) {
  compile_until_cancelled();
  std::thread first([&] { EXPECT_EQ(upload({.salt = "second"}).error().error.code, ErrorCode::kShuttingDown); });
  started_.get_future().wait();
  const auto second = upload({.salt = "third"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().error.code, ErrorCode::kReloadInProgress);
  EXPECT_EQ(second.error().retry_after_seconds, 1U);
  EXPECT_EQ(second.error().current_version, "v1");
  reloader_->shut_down();
  first.join();
  EXPECT_EQ(upload({.salt = "fourth"}).error().error.code, ErrorCode::kShuttingDown);
  EXPECT_EQ(roll_back("v1").error().error.code, ErrorCode::kShuttingDown);
  EXPECT_EQ(told(), "reload v1 shutting_down; load v1 success");
}

TEST_F(ReloaderFaultsTest, ARollbackCancelsTheCompileThatIsUnderWay) {
  ASSERT_TRUE(upload({.salt = "second"}));
  compile_until_cancelled();
  std::thread other([&] { EXPECT_EQ(upload({.salt = "third"}).error().error.code, ErrorCode::kCancelled); });
  started_.get_future().wait();
  const auto back = roll_back();
  other.join();
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->rolled_back_to, "v1");
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "rollback v1 success; reload v2 cancelled; reload v2 success; load v1 success");
}

TEST_F(ReloaderFaultsTest, ARollbackDoesNotWaitForAWorkerThatHangs) {
  ASSERT_TRUE(upload({.salt = "second"}));
  hub_.on_stage = [&](const control::InForce& document) {
    std::vector<WorkerFailure> failures;
    if (document.slots[0].current_version()->label != "v3") return failures;
    started_.set_value();
    hub_.wait_for_abort(document.generation);
    failures.push_back(failure(0, ErrorCode::kCancelled, "given up"));
    return failures;
  };
  std::thread other([&] { EXPECT_EQ(upload({.salt = "third"}).error().error.code, ErrorCode::kCancelled); });
  started_.get_future().wait();
  const auto back = roll_back();
  other.join();
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(serving(), "v1");
  EXPECT_EQ(told(), "rollback v1 success; reload v2 cancelled; reload v2 success; load v1 success");
}

TEST_F(ReloaderFaultsTest, AFullDiskAtTheCommitLeavesTheOldVersion) {
  // The in-force file cannot be replaced where a folder that is not empty has its name.
  hub_.on_stage = [&](const control::InForce&) {
    fs::remove(config_.data_dir / "in_force.json");
    fs::create_directories(config_.data_dir / "in_force.json" / "in the way");
    return std::vector<WorkerFailure>{};
  };
  const auto done = upload({.salt = "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kIo);
  EXPECT_EQ(done.error().current_version, "v1");
  EXPECT_EQ(reloader_->in_force(), before_);
  EXPECT_EQ(hub_.target(), before_.generation);
  EXPECT_EQ(told(), "reload v1 io; load v1 success");
}

TEST_F(ReloaderFaultsTest, AWorkerBehindIsSeenInTheVersionAndInReadiness) {
  ASSERT_TRUE(upload({.salt = "second"}));
  hub_.set_target(before_);
  hub_.start_workers(1);
  EXPECT_FALSE(reloader_->ready());
  const auto view = reloader_->version(std::nullopt).value();
  EXPECT_EQ(view.version, "v2");
  ASSERT_EQ(view.workers.size(), 1U);
  EXPECT_EQ(view.workers[0].version, "v1");
  EXPECT_EQ(view.workers[0].since, "2025-11-24T01:00:03Z");
}

}  // namespace
}  // namespace secbeat::agent
