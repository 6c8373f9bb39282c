// secbeat-compile: the compile child of the agent, and what secbeat compile runs. An executable of its own, because it
// starts once for each reload: it has the engine's compiler and next to nothing to load with it.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

#include "compile_options.hpp"
#include "exit_codes.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/confine.hpp"

namespace secbeat::cli {
namespace {

int complain(const Error& error, int exit_code) {
  fmt::print(stderr, "secbeat: {}\n", error.message);
  return exit_code;
}

// Ends with the agent that asked, and within limits: a compile cannot be cancelled, a process can.
Result<engine::Confinement> become_child(const CompileOptions& options) {
  const pid_t parent = ::getppid();
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return std::unexpected(io_error("prctl"));
  if (::getppid() != parent) return fail(ErrorCode::kCancelled, "the agent has ended");
  return engine::confine_process(
      {.data_bytes = options.data_limit_mib << 20U, .file_bytes = options.file_limit_mib << 20U});
}

// What a confined process can still do, for secbeat doctor and for tests; without --child what any process can.
int try_escapes(const CompileOptions& options) {
  engine::Confinement confinement;
  if (options.child) {
    auto confined = become_child(options);
    if (!confined) return complain(confined.error(), kRefused);
    confinement = *confined;
  }
  nlohmann::json attempts = nlohmann::json::array();
  for (const engine::EscapeAttempt& attempt : engine::attempt_escapes()) {
    attempts.push_back({{"what", attempt.what}, {"refused", attempt.refused}, {"answer", attempt.answer}});
  }
  bool starts_threads = false;
  std::thread([&] { starts_threads = true; }).join();
  const nlohmann::json report{{"filters_calls", confinement.filters_calls},
                              {"landlock_version", confinement.landlock_version},
                              {"open_descriptors", engine::count_open_descriptors()},
                              {"starts_threads", starts_threads},
                              {"attempts", std::move(attempts)}};
  fmt::print("{}\n", report.dump());
  return kOk;
}

// Files are opened before rights are given up, and read afterwards.
Result<engine::CompileReport> run_confined(const CompileOptions& options) {
  const engine::CompileJob job = options.finished_job();
  const auto files = engine::open_job_files(job);
  if (!files) return std::unexpected(files.error());
  if (auto confined = become_child(options); !confined) return std::unexpected(confined.error());
  fault_point("child.started");
  return engine::run_compile_job(job, *files);
}

int run(const CompileOptions& options) {
  if (!options.for_release.empty() && options.for_release != SECBEAT_VERSION) {
    return complain(
        {ErrorCode::kConfig, fmt::format("secbeat-compile is of release {} and the node of {}: install both "
                                         "from one release",
                                         SECBEAT_VERSION, options.for_release)},
        kRefused);
  }
  if (options.try_escapes) return try_escapes(options);
  if (options.module.empty() && options.artifact.empty()) {
    return complain({ErrorCode::kBadRequest, "compile needs --module, --artifact or both"}, kUsage);
  }
  const auto report = options.child ? run_confined(options) : engine::run_compile_job(options.finished_job());
  if (!report) return complain(report.error(), kUsage);
  fmt::print("{}\n", engine::to_json(*report));
  if (options.child) return kOk;  // the report was written; what it says is the agent's to read
  return report->error ? kRefused : kOk;
}

// Where descriptors 0 to 2 are closed, the next file opened would take their place and receive what is printed.
void fill_standard_descriptors() {
  for (int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0; fd = ::dup(fd)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

int run_main(int argc, char** argv) {
  CLI::App app("Compiles a module to an artifact for this machine.", "secbeat-compile");
  app.set_version_flag("--version", "secbeat-compile " SECBEAT_VERSION);
  CompileOptions options;
  add_compile_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return run(options);
}

}  // namespace
}  // namespace secbeat::cli

int main(int argc, char** argv) {
  secbeat::cli::fill_standard_descriptors();
  ::closefrom(STDERR_FILENO + 1);  // what whoever starts this program holds open is none of its business
  // Only SHA-256 is used: the machine's configuration could name modules that a static OpenSSL cannot load.
  ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  int status = secbeat::cli::kRefused;
  try {
    status = secbeat::cli::run_main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "secbeat: {}\n", error.what());
  }
  // The agent waits for the end: nothing is freed one by one that the kernel frees at once.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) status = secbeat::cli::kUnwritten;
  secbeat::fault_point("child.reported");
  ::_exit(status);
}
