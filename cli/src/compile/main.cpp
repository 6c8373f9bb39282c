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

#include "compile_options.hpp"
#include "exit_codes.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::cli {
namespace {

int complain(const Error& error, int exit_code) {
  fmt::print(stderr, "secbeat: {}\n", error.message);
  return exit_code;
}

// Ends with the agent that asked, and within limits: a compile cannot be cancelled, a process can.
Result<void> become_child(const CompileOptions& options) {
  const pid_t parent = ::getppid();
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return std::unexpected(io_error("prctl"));
  if (::getppid() != parent) return fail(ErrorCode::kCancelled, "the agent has ended");
  return engine::confine_compile_child(options.data_limit_mib << 20U, options.file_limit_mib << 20U);
}

int run(const CompileOptions& options) {
  if (!options.for_release.empty() && options.for_release != SECBEAT_VERSION) {
    return complain(
        {ErrorCode::kConfig, fmt::format("secbeat-compile is of release {} and the node of {}: install both "
                                         "from one release",
                                         SECBEAT_VERSION, options.for_release)},
        kRefused);
  }
  if (options.module.empty() == options.artifact.empty()) {
    return complain({ErrorCode::kBadRequest, "compile needs exactly one of --module and --artifact"}, kUsage);
  }
  if (options.child) {
    if (auto confined = become_child(options); !confined) return complain(confined.error(), kRefused);
  }
  fault_point("child.started");
  const auto report = engine::run_compile_job(options.finished_job());
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
