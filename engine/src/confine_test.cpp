// The confined process: what it still can do, and what it cannot. Everything happens in a child of the test.
#include "secbeat/engine/confine.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "landlock.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/engine/compile.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::guest;
using testing::TemporaryFolder;

#if defined(SECBEAT_SANITIZED_ADDRESS) || defined(SECBEAT_SANITIZED_THREAD)
constexpr bool kShadowMemory = true;  // a sanitizer's shadow exceeds any sensible limit of data
#else
constexpr bool kShadowMemory = false;
#endif

constexpr ConfineLimits kLimits{.data_bytes = std::size_t{512} << 20U, .file_bytes = std::size_t{16} << 20U};

// Whether `run` says yes in a process of its own.
bool in_child(const std::function<bool()>& run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool in_confined_child(const std::function<bool()>& run) {
  return in_child([&] { return confine_process(kLimits).has_value() && run(); });
}

class Confined : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kShadowMemory) GTEST_SKIP() << "RLIMIT_DATA and a sanitizer's shadow memory exclude each other";
  }
};

TEST_F(Confined, CompilesAndRehearsesFromFilesThatWereOpenBefore) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", guest("(i32.const 0)", R"((func (export "configure") (param i32 i32)
    (result i32) (i32.const 0)))"));
  job.config = folder.with("config", "{}");
  job.output = folder.file("artifact");
  EXPECT_TRUE(in_child([&] {
    const auto files = open_job_files(job);
    if (!files || !confine_process(kLimits)) return false;
    const auto report = run_compile_job(job, *files);
    return report && !report->error && report->exports_configure;
  }));
  const auto artifact = read_file(job.output, std::size_t{64} << 20U);
  ASSERT_TRUE(artifact);
  testing::Host host;
  EXPECT_TRUE(Artifact::load(host.engine(), *artifact, sha256_hex(*artifact)));
}

TEST_F(Confined, IsRefusedEveryAttemptToEscape) {
  for (const auto& wanted : attempt_escapes()) {
    EXPECT_TRUE(in_confined_child([&] {
      for (const auto& attempt : attempt_escapes()) {
        if (attempt.what == wanted.what) return attempt.refused;
      }
      return false;
    })) << wanted.what;
  }
}

// Landlock alone: the filter of system calls refuses the same attempts, and would hide that it is missing.
TEST(GivingUpFiles, IsEnoughByItself) {
  constexpr unsigned kAskForVersion = 1;
  const long offered = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion);
  if (offered < 1) GTEST_SKIP() << "this kernel has no landlock";
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.with("file", "bytes");
  const std::filesystem::path other = folder.file("other");
  EXPECT_TRUE(in_child([&] {
    const UniqueFd before(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    const auto version = give_up_files();
    if (!version || *version != offered) return false;
    const auto is_refused = [](long answer) { return answer < 0 && errno == EACCES; };
    char byte = 0;
    return is_refused(::open(file.c_str(), O_RDONLY)) && is_refused(::open(other.c_str(), O_WRONLY | O_CREAT, 0600)) &&
           is_refused(::unlink(file.c_str())) && is_refused(::mkdir(other.c_str(), 0700)) &&
           is_refused(::open("/", O_RDONLY | O_DIRECTORY)) && ::read(before.get(), &byte, 1) == 1;
  }));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(Confined, HasWhatTheKernelOffers) {
  constexpr unsigned kAskForVersion = 1;
  const long offered = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion);
  EXPECT_TRUE(in_child([&] {
    const auto confined = confine_process(kLimits);
    return confined && confined->filters_calls && confined->landlock_version == std::max(offered, 0L);
  }));
}

TEST_F(Confined, HasLimitsNoPrivilegesAndNoCapabilities) {
  EXPECT_TRUE(in_confined_child([] {
    rlimit core{};
    return ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
  }));
  // What only the outside can see of it: /proc does not open any more inside.
  int ready[2];
  int hold[2];
  ASSERT_EQ(::pipe2(ready, 0) + ::pipe2(hold, 0), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(hold[1]);
    char byte = confine_process(kLimits) ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::_exit(::read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(child)), 10);
  const std::string status = read_file("/proc/" + std::to_string(child) + "/status", 65536).value();
  EXPECT_THAT(status, ::testing::HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(status, ::testing::HasSubstr("CapEff:\t0000000000000000\n"));
  EXPECT_THAT(status, ::testing::HasSubstr("CapPrm:\t0000000000000000\n"));
  EXPECT_THAT(status, ::testing::HasSubstr("Seccomp:\t2\n"));
  for (const int fd : {ready[0], ready[1], hold[0], hold[1]}) ::close(fd);
  int end = -1;
  ASSERT_EQ(::waitpid(child, &end, 0), child);
  EXPECT_EQ(end, 0);
}

TEST_F(Confined, StartsThreadsAndMapsMemory) {
  EXPECT_TRUE(in_confined_child([] {
    bool ran = false;
    std::thread([&] { ran = true; }).join();
    return ran && seal_in_memory("confined", "bytes").has_value();
  }));
}

TEST_F(Confined, OpensItsOwnDescriptorsByNameAndNothingThatLooksLikeThem) {
  EXPECT_TRUE(in_confined_child([] {
    const auto sealed = seal_in_memory("confined", "bytes");
    if (!sealed) return false;
    const std::string name = "/proc/self/fd/" + std::to_string(sealed->get());
    if (read_file(name, 100).value_or("") != "bytes") return false;
    for (const std::string& other :
         std::vector<std::string>{name + "/", name + "x", "/proc/self/fd/", "/proc/self/fd/../../1/status",
                                  "/proc/self/fd/99999999999999999999", "/proc/self/fd/-1", "proc/self/fd/1"}) {
      if (::open(other.c_str(), O_RDONLY) >= 0 || (errno != EACCES)) return false;
    }
    return ::syscall(SYS_openat, AT_FDCWD, nullptr, O_RDONLY) < 0;
  }));
}

TEST_F(Confined, StillEndsWithItsParent) {
  EXPECT_TRUE(in_child([] {
    int signal = 0;
    return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && confine_process(kLimits) &&
           ::prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL;
  })) << "a change of credentials can take the signal away";
}

TEST(Unconfined, ManagesWhatTheAttemptsTry) {
  // Else a refusal would prove nothing. Some machines refuse some of it to everybody.
  std::size_t refused = 0;
  for (const auto& attempt : attempt_escapes()) refused += attempt.refused ? 1U : 0U;
  EXPECT_LE(refused, 4U);
}

}  // namespace
}  // namespace secbeat::engine
