#include "compile_child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/base/own_programs.hpp"

extern "C" {  // glibc 2.36's header does not say so itself
#include <sys/pidfd.h>
}

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

std::size_t mib_rounded_up(std::size_t bytes) { return (bytes + (std::size_t{1} << 20U) - 1) >> 20U; }

std::vector<std::string> arguments(const engine::CompileJob& job, const CompileChildOptions& options) {
  std::vector<std::string> list{std::string(kCompileProgram), "--child", "--for-release", SECBEAT_VERSION};
  const auto add = [&](const char* flag, std::string value) {
    list.emplace_back(flag);
    list.push_back(std::move(value));
  };
  if (!job.module.empty()) add("--module", job.module.string());
  if (!job.artifact.empty()) {
    add("--artifact", job.artifact.string());
    add("--artifact-sha256", job.artifact_sha256);
  }
  if (!job.config.empty()) add("--config", job.config.string());
  if (!job.rule_tests.empty()) {
    add("--rule-tests", job.rule_tests.string());
    // The other half is for compiling: who has too many tests is told so, and not that it took too long.
    add("--rule-tests-time-ms", std::to_string(options.timeout.count() / 2));
  }
  if (!job.output.empty()) add("--output", job.output.string());
  if (!job.counting.empty()) {
    add("--counting", job.counting.string());
    add("--counting-sha256", job.counting_sha256);
  }
  if (!job.counting_output.empty()) add("--counting-output", job.counting_output.string());
  add("--max-module-bytes", std::to_string(job.max_module_bytes));
  add("--deadline-ms", std::to_string(job.limits.call_budget.count()));
  add("--configure-deadline-ms", std::to_string(job.limits.configure_budget.count()));
  add("--memory-limit-mib", std::to_string(mib_rounded_up(job.limits.memory_bytes)));
  add("--data-limit-mib", std::to_string(mib_rounded_up(options.data_bytes)));
  add("--file-limit-mib", std::to_string(mib_rounded_up(options.file_bytes)));
  if (job.rehearsal == engine::Rehearsal::kSkip) list.emplace_back("--no-rehearsal");
  if (job.costing == engine::Costing::kSkip) list.emplace_back("--no-cost");
  return list;
}

// The name of the program while that is the file that was opened, else its descriptor, which the child still has when
// it is looked up.
std::filesystem::path name_of(const UniqueFd& program, const std::filesystem::path& name) {
  struct stat opened{};
  struct stat named{};
  const bool same = ::fstat(program.get(), &opened) == 0 && ::stat(name.c_str(), &named) == 0 &&
                    opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  return same ? name : std::filesystem::path(fmt::format("/proc/self/fd/{}", program.get()));
}

// A module that broke out could tell what it finds in the report: nothing of the agent's environment that may be
// secret.
std::vector<char*> harmless_environment() {
  std::vector<char*> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view name = std::string_view(*variable).substr(0, std::string_view(*variable).find('='));
    if (name == "PATH" || name.ends_with("SAN_OPTIONS")) kept.push_back(*variable);
  }
  kept.push_back(nullptr);
  return kept;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(io_error("cannot make a pipe"));
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return std::unexpected(io_error("cannot set up a pipe"));
  return pipe;
}

// What posix_spawn is told: standard streams, default signals.
class SpawnPlan {
 public:
  SpawnPlan(int out, int err) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  [[nodiscard]] Result<pid_t> spawn(const std::filesystem::path& program, std::vector<std::string> list) const {
    std::vector<char*> pointers;
    pointers.reserve(list.size() + 1);
    for (std::string& argument : list) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = 0;
    std::vector<char*> variables = harmless_environment();
    errno = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, pointers.data(), variables.data());
    if (errno != 0) return std::unexpected(io_error("cannot start " + program.string() + " to compile"));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// One running child. Its destructor kills and reaps it if wait() has not.
class Child {
 public:
  Child(pid_t pid, UniqueFd out, UniqueFd err)
      : pid_(pid), pidfd_(::pidfd_open(pid, 0)), out_(std::move(out)), err_(std::move(err)) {}
  ~Child() {
    if (pid_ > 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Reads until the process has ended. The error says why it was not left to end by itself.
  std::optional<ErrorCode> watch(SteadyClock::time_point deadline, const CancelToken& cancel) {
    bool ended = false;
    while (!ended) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - SteadyClock::now());
      if (left.count() <= 0) return ErrorCode::kCompileTimeout;
      std::array<pollfd, 4> wanted{
          {{pidfd_.get(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
      if (::poll(wanted.data(), wanted.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 60000))) < 0) {
        if (errno == EINTR) continue;
        return ErrorCode::kIo;
      }
      if (wanted[1].revents != 0) return ErrorCode::kCancelled;
      ended = wanted[0].revents != 0;
      if (!drain()) return ErrorCode::kTooLarge;
    }
    return std::nullopt;
  }

  // Kills it if it still runs, and reaps it; the wait status.
  int end() {
    ::kill(pid_, SIGKILL);  // it is not reaped yet, so the pid is still its own
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

  [[nodiscard]] bool watchable() const { return static_cast<bool>(pidfd_); }
  [[nodiscard]] const std::string& report() const { return report_; }
  [[nodiscard]] const std::string& errors() const { return errors_; }

 private:
  // What is there now; false: the report has grown over its bound.
  bool drain() {
    std::array<char, 16384> block;
    while (out_) {
      const ssize_t n = ::read(out_.get(), block.data(), block.size());
      if (n > 0) report_.append(block.data(), static_cast<std::size_t>(n));
      if (report_.size() > CompileChild::kMaxReportBytes) return false;
      if (n == 0) out_.reset();
      if (n <= 0) break;
    }
    // Standard error has no bound of its own: its end is kept, a round reads a bounded part of it.
    for (int rounds = 0; err_ && rounds < 16; ++rounds) {
      const ssize_t n = ::read(err_.get(), block.data(), block.size());
      if (n > 0) errors_.append(block.data(), static_cast<std::size_t>(n));
      if (errors_.size() > CompileChild::kMaxErrorBytes)
        errors_.erase(0, errors_.size() - CompileChild::kMaxErrorBytes);
      if (n == 0) err_.reset();
      if (n <= 0) break;
    }
    return true;
  }

  pid_t pid_;
  UniqueFd pidfd_;
  UniqueFd out_;
  UniqueFd err_;
  std::string report_;
  std::string errors_;
};

// The last line that says something, for a message.
std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t start = text.rfind('\n');
  return std::string(start == std::string_view::npos ? text : text.substr(start + 1));
}

bool out_of_memory(std::string_view errors) {
  return errors.find("memory allocation of") != std::string_view::npos ||  // Rust
         errors.find("bad_alloc") != std::string_view::npos || errors.find("out of memory") != std::string_view::npos;
}

Error describe_end(int status, const Child& child, const CompileChildOptions& options) {
  if (out_of_memory(child.errors())) {
    return {ErrorCode::kMemoryLimit, fmt::format("Compiling the module needs more memory than the limit of {} MiB",
                                                 mib_rounded_up(options.data_bytes))};
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) {
    return {ErrorCode::kCompileFailed,
            fmt::format("What the module compiles to is a larger file than it may be ({} MiB, or the node's own limit "
                        "where that is lower); the version in force is untouched; make the module smaller",
                        mib_rounded_up(options.file_bytes))};
  }
  const std::string said = last_line(child.errors());
  const std::string detail = said.empty() ? std::string() : fmt::format(" ({})", said);
  if (WIFSIGNALED(status)) {
    return {ErrorCode::kCompileFailed,
            fmt::format("The compile process ended by signal {} before it finished{}; the version in force is "
                        "untouched; try again",
                        WTERMSIG(status), detail)};
  }
  return {ErrorCode::kCompileFailed,
          fmt::format("The compile process ended with status {} and no report{}; the version in force is untouched",
                      WEXITSTATUS(status), detail)};
}

Error describe_stop(ErrorCode why, const CompileChildOptions& options) {
  switch (why) {
    case ErrorCode::kCompileTimeout:
      return {why, fmt::format("Reload timed out after {:g}s", static_cast<double>(options.timeout.count()) / 1000)};
    case ErrorCode::kCancelled:
      return {why, "The compile was cancelled"};
    case ErrorCode::kTooLarge:
      return {ErrorCode::kCompileFailed,
              fmt::format("The compile process wrote a report of more than {} bytes", CompileChild::kMaxReportBytes)};
    default:
      return {why, "The compile process could not be watched"};
  }
}

}  // namespace

Result<std::unique_ptr<CompileChild>> CompileChild::open(CompileChildOptions options) {
  UniqueFd program(::open(options.program.c_str(), O_PATH | O_CLOEXEC));
  if (!program) return std::unexpected(io_error("cannot open the compiler " + options.program.string()));
  return std::unique_ptr<CompileChild>(new CompileChild(std::move(options), std::move(program)));
}

Result<engine::CompileReport> CompileChild::run(const engine::CompileJob& job, const CancelToken& cancel) {
  const auto said = said_by(arguments(job, options_), cancel);
  if (!said) return std::unexpected(said.error());
  auto report = engine::compile_report_from_json(*said);
  if (report) return report;
  return fail(ErrorCode::kCompileFailed,
              "The compile process answered with something that is no report: " + report.error().message);
}

Result<std::string> CompileChild::try_escapes() {
  return said_by({std::string(kCompileProgram), "--child", "--for-release", SECBEAT_VERSION, "--try-escapes",
                  "--data-limit-mib", std::to_string(mib_rounded_up(options_.data_bytes))},
                 CancelToken());
}

Result<std::string> CompileChild::said_by(std::vector<std::string> words, const CancelToken& cancel) {
  const auto deadline = SteadyClock::now() + options_.timeout;
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  const auto pid =
      SpawnPlan(out->write.get(), err->write.get()).spawn(name_of(program_, options_.program), std::move(words));
  if (!pid) return std::unexpected(pid.error());
  out->write.reset();
  err->write.reset();

  Child child(*pid, std::move(out->read), std::move(err->read));
  if (!child.watchable()) return fail(ErrorCode::kIo, "pidfd_open is refused; Linux 5.3 or later is needed");
  const std::optional<ErrorCode> stopped = child.watch(deadline, cancel);
  const int status = child.end();
  if (stopped) return std::unexpected(describe_stop(*stopped, options_));

  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return child.report();
  return std::unexpected(describe_end(status, child, options_));
}

}  // namespace secbeat::agent
