#include "compile_child.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;

// Long enough for a script to start on a busy machine; nothing waits for it to pass.
constexpr std::chrono::seconds kAmple{60};

class CompileChildTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/child-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream(folder_ / "report.json") << engine::to_json(report());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static engine::CompileReport report() {
    engine::CompileReport report;
    report.artifact_sha256 = std::string(64, 'a');
    report.warnings = {"a warning"};
    return report;
  }

  // Runs a shell script in the place of the compiler, in folder_; it writes its pid to the file "pid" first.
  Result<engine::CompileReport> run(const std::string& script, std::chrono::milliseconds timeout = kAmple) {
    const std::filesystem::path file = folder_ / "compile.sh";
    EXPECT_TRUE(
        write_file_atomically(file, "#!/bin/sh\ncd '" + folder_.string() + "'\necho $$ > pid\n" + script + "\n", 0755));
    return run_program(file, timeout);
  }

  Result<engine::CompileReport> run_program(const std::filesystem::path& program, std::chrono::milliseconds timeout) {
    auto child = CompileChild::open({.program = program,
                                     .timeout = timeout,
                                     .data_bytes = std::size_t{2} << 30U,
                                     .file_bytes = std::size_t{256} << 20U});
    if (!child) return std::unexpected(child.error());
    return (*child)->run(job_, cancel_);
  }

  // Neither running nor left as a zombie.
  [[nodiscard]] bool gone() const {
    pid_t pid = 0;
    std::ifstream(folder_ / "pid") >> pid;
    return pid > 0 && ::kill(pid, 0) != 0;
  }

  std::filesystem::path folder_;
  engine::CompileJob job_;
  CancelToken cancel_;
};

TEST_F(CompileChildTest, GivesBackTheReport) {
  const auto done = run("cat report.json");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->artifact_sha256, report().artifact_sha256);
  EXPECT_EQ(done->warnings.size(), 1U);
  EXPECT_TRUE(gone());
}

TEST_F(CompileChildTest, TellsTheChildEverythingThatTheJobSays) {
  job_.module = "/m.wasm";
  job_.config = "/c.json";
  job_.rule_tests = "/t.json";
  job_.output = "/o.cwasm";
  job_.max_module_bytes = 1000;
  job_.limits = {std::chrono::milliseconds(7), std::chrono::milliseconds(8), std::size_t{9} << 20U};
  job_.rehearsal = engine::Rehearsal::kSkip;
  ASSERT_TRUE(run("echo \"$@\" > arguments; cat report.json"));
  EXPECT_EQ(read_file(folder_ / "arguments", 4096).value(),
            "--child --for-release " SECBEAT_VERSION
            " --module /m.wasm --config /c.json --rule-tests /t.json --rule-tests-time-ms 30000 --output /o.cwasm "
            "--max-module-bytes 1000 --deadline-ms 7 --configure-deadline-ms 8 --memory-limit-mib 9 --data-limit-mib "
            "2048 --file-limit-mib "
            "256 --no-rehearsal\n");
  job_ = engine::CompileJob{};
  job_.artifact = "/a.cwasm";
  job_.artifact_sha256 = "abc";
  ASSERT_TRUE(run("echo \"$@\" > arguments; cat report.json"));
  EXPECT_TRUE(read_file(folder_ / "arguments", 4096)
                  .value()
                  .starts_with("--child --for-release " SECBEAT_VERSION
                               " --artifact /a.cwasm --artifact-sha256 abc --max-module-bytes"));
}

TEST_F(CompileChildTest, TheChildSeesNothingOfTheEnvironmentThatCouldBeSecret) {
  ASSERT_EQ(::setenv("SECBEAT_API_KEY", "secret", 1), 0);
  ASSERT_TRUE(run("echo \"$SECBEAT_API_KEY|$PATH\" > environment; cat report.json"));
  ASSERT_EQ(::unsetenv("SECBEAT_API_KEY"), 0);
  EXPECT_EQ(read_file(folder_ / "environment", 65536).value(), std::string("|") + std::getenv("PATH") + "\n");
}

TEST_F(CompileChildTest, IsKilledAtTheTimeLimit) {
  const auto done = run("exec sleep 1000", std::chrono::milliseconds(1500));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCompileTimeout);
  EXPECT_EQ(done.error().message, "Reload timed out after 1.5s");
}

TEST_F(CompileChildTest, TheTimeLimitIsToldInWholeSecondsWhereItIsOne) {
  EXPECT_EQ(run("exec sleep 1000", std::chrono::seconds(1)).error().message, "Reload timed out after 1s");
}

TEST_F(CompileChildTest, IsKilledWhenTheCallerCancels) {
  std::thread other([this] { cancel_.cancel(); });
  const auto done = run("exec sleep 1000");
  other.join();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(cancel_.cancelled());
}

TEST_F(CompileChildTest, AFileOverTheLimitIsAMatterOfTheModule) {
  const auto done = run("kill -XFSZ $$");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCompileFailed);
  EXPECT_THAT(done.error().message, HasSubstr("a larger file than it may be (256 MiB, "));
  EXPECT_THAT(done.error().message, HasSubstr("make the module smaller"));
}

TEST_F(CompileChildTest, ADeathByASignalIsToldWithItsNumber) {
  const auto done = run("kill -9 $$");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCompileFailed);
  EXPECT_EQ(done.error().message,
            "The compile process ended by signal 9 before it finished; the version in force is untouched; try again");
  EXPECT_TRUE(gone());
}

TEST_F(CompileChildTest, AFailureIsToldWithTheLastWordsOfTheChild) {
  const auto done = run("echo noise >&2; echo 'the disk is full' >&2; exit 3");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCompileFailed);
  EXPECT_NE(done.error().message.find("status 3"), std::string::npos);
  EXPECT_NE(done.error().message.find("(the disk is full)"), std::string::npos);
}

TEST_F(CompileChildTest, RunningOutOfMemoryIsALimitAndNotACrash) {
  const auto done = run("echo 'memory allocation of 123 bytes failed' >&2; kill -6 $$");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kMemoryLimit);
  EXPECT_NE(done.error().message.find("2048 MiB"), std::string::npos);
}

TEST_F(CompileChildTest, SomethingThatIsNoReportIsRefused) {
  for (const char* script : {"echo hello", "true", "echo '{}'", "head -c 100000 /dev/urandom"}) {
    const auto done = run(script);
    ASSERT_FALSE(done) << script;
    EXPECT_EQ(done.error().code, ErrorCode::kCompileFailed) << script;
  }
}

TEST_F(CompileChildTest, AFloodOfOutputEndsTheChild) {
  const auto done = run("exec yes");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCompileFailed);
  EXPECT_NE(done.error().message.find("more than"), std::string::npos);
  EXPECT_TRUE(gone());
}

TEST_F(CompileChildTest, AFloodOfErrorsIsReadAndForgotten) {
  const auto done = run("yes error | head -c 1000000 >&2; cat report.json");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(run("exec yes error >&2", std::chrono::milliseconds(500)).error().code, ErrorCode::kCompileTimeout);
}

TEST_F(CompileChildTest, AGrandchildThatHoldsThePipesHoldsNobodyUp) {
  // The pipes stay open for as long as the grandchild lives; its end is not waited for.
  const auto done = run("sleep 30 & echo $! > pid; cat report.json");
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_FALSE(gone());
  pid_t pid = 0;
  std::ifstream(folder_ / "pid") >> pid;
  ::kill(pid, SIGKILL);
}

TEST_F(CompileChildTest, AMissingProgramIsToldByName) {
  const auto done = run_program(folder_ / "none", kAmple);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kIo);
  EXPECT_NE(done.error().message.find("none"), std::string::npos);
}

TEST_F(CompileChildTest, AProgramThatIsReplacedLaterIsStillTheOneThatWasOpened) {
  const std::filesystem::path file = folder_ / "program";
  std::filesystem::copy_file("/bin/true", file);
  auto child = CompileChild::open({.program = file, .timeout = kAmple, .data_bytes = 1, .file_bytes = 1});
  ASSERT_TRUE(child);
  ASSERT_TRUE(write_file_atomically(file, "#!/bin/sh\ncat report.json\n", 0755));
  const auto done = (*child)->run(job_, cancel_);
  ASSERT_FALSE(done);  // it says nothing, as /bin/true does
  EXPECT_NE(done.error().message.find("no report"), std::string::npos) << done.error().message;
}

TEST_F(CompileChildTest, TheChildStartsWithDefaultSignalsAndNothingBlocked) {
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto done = run("grep SigBlk /proc/self/status > signals; cat report.json");
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  ASSERT_TRUE(done);
  EXPECT_EQ(read_file(folder_ / "signals", 100).value(), "SigBlk:\t0000000000000000\n");
}

}  // namespace
}  // namespace secbeat::agent
