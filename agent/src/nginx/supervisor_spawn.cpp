#include "supervisor_spawn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <system_error>
#include <vector>

#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;

// nginx looks up the upstream's name while it reads its configuration, and a resolver may take its time.
constexpr milliseconds kLongestStart{30000};
constexpr int kListenerFd = 3;  // of the child
constexpr std::size_t kMostOutput = 16 * 1024;

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  return value == nullptr ? "" : value;
}

// What nginx gets to see of our environment: nothing that could hold a secret.
std::vector<std::string> environment_for_nginx(const UniqueFd& listener) {
  std::vector<std::string> result;
  for (const char* name : {"PATH", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH"}) {
    if (const std::string value = variable(name); !value.empty()) result.push_back(fmt::format("{}={}", name, value));
  }
  if (listener) result.push_back(fmt::format("NGINX={};", kListenerFd));
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // A session of its own, in `folder`, default signals, standard error to `output`, and no other descriptor but
  // the listener's.
  void detach(const std::filesystem::path& folder, const UniqueFd& output, const UniqueFd& listener) {
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output.get(), STDERR_FILENO);
    if (listener) ::posix_spawn_file_actions_adddup2(&actions_, listener.get(), kListenerFd);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, listener ? kListenerFd + 1 : kListenerFd);
    if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  // The pid, or an errno below 0.
  pid_t run(std::vector<std::string> arguments, std::vector<std::string> environment) {
    pid_t pid = 0;
    const std::string binary = arguments.front();
    const int error = ::posix_spawn(&pid, binary.c_str(), &actions_, &attributes_, pointers(arguments).data(),
                                    pointers(environment).data());
    return error == 0 ? pid : -error;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

struct Child {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd output;  // read end of its standard error
};

Result<Child> spawn(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                    const UniqueFd& listener) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(io_error("cannot make a pipe"));
  Child child;
  child.output = UniqueFd(ends[0]);
  const UniqueFd write_end(ends[1]);
  SpawnPlan plan;
  plan.detach(folder, write_end, listener);
  child.pid = plan.run(arguments, environment_for_nginx(listener));
  if (child.pid < 0) {
    return fail(ErrorCode::kConfig,
                fmt::format("cannot run {}: {}", arguments.front(), std::generic_category().message(-child.pid)));
  }
  child.pidfd = open_pidfd(child.pid);
  return child;
}

// All that comes until the other end is closed; stops at `deadline`.
std::string read_to_end(const UniqueFd& output, std::chrono::steady_clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wanted{output.get(), POLLIN, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready == 0) return text;
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t n = ::read(output.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    if (text.size() < kMostOutput) text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

// nginx' own reason: its lines of level emerg, alert or error, else all that it said.
std::string reason_in(const std::string& output) {
  std::string reasons;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    for (const std::string_view level : {"[emerg] ", "[alert] ", "[error] "}) {
      const std::size_t at = line.find(level);
      if (at == std::string::npos) continue;
      std::string reason = line.substr(at + level.size());
      // "123#123: reason" once nginx has its log; the numbers are no use to a reader.
      const std::size_t numbers = reason.find_first_not_of("0123456789#");
      if (numbers != std::string::npos && reason.substr(numbers, 2) == ": ") reason.erase(0, numbers + 2);
      reasons += (reasons.empty() ? "" : "; ") + reason;
    }
  }
  return reasons.empty() ? (output.empty() ? "it said nothing" : output) : reasons;
}

void end(const Child& child) {
  send_signal(child.pidfd, SIGKILL);
  wait_for_end(child.pidfd, kLongestStart);
  reap(child.pidfd);
}

std::vector<std::string> arguments_of(const std::filesystem::path& nginx, const NginxPaths& paths,
                                      const std::filesystem::path& file) {
  return {nginx.string(), "-p", paths.prefix.string(), "-c", file.string(), "-e", "stderr"};
}

}  // namespace

Result<std::filesystem::path> find_nginx(const Config& config) {
  const auto runs = [](const std::filesystem::path& file) { return ::access(file.c_str(), X_OK) == 0; };
  if (!config.nginx_binary.empty()) {
    if (runs(config.nginx_binary)) return config.nginx_binary;
    return fail(ErrorCode::kConfig, fmt::format("[proxy] nginx_binary = \"{}\" is no program that this user may run",
                                                config.nginx_binary.string()));
  }
  std::istringstream folders(variable("PATH") + ":/usr/sbin:/usr/local/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path file = std::filesystem::path(folder) / "nginx";
    if (file.is_absolute() && runs(file)) return file;
  }
  return fail(ErrorCode::kConfig,
              "nginx is not installed: apt-get install nginx-core, or say where it is in [proxy] nginx_binary");
}

Result<std::filesystem::path> find_nginx_module() {
  constexpr std::string_view kName = "ngx_http_secbeat_module.so";
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::filesystem::path> candidates;
  if (const std::string given = variable("SECBEAT_NGINX_MODULE"); !given.empty()) candidates = {given};
  for (const std::filesystem::path& folder :
       {here / "../nginx", here / "../lib/secbeat", here / "../lib/nginx/modules",
        std::filesystem::path("/usr/lib/secbeat"), std::filesystem::path("/usr/lib/nginx/modules")}) {
    candidates.push_back(folder / kName);
  }
  std::string tried;
  for (const auto& candidate : candidates) {
    const auto file = std::filesystem::canonical(candidate, error);
    if (!error && std::filesystem::is_regular_file(file, error)) return file;
    tried += (tried.empty() ? "" : ", ") + candidate.lexically_normal().string();
  }
  return fail(ErrorCode::kConfig, fmt::format("{} is not there; looked for {}", kName, tried));
}

Result<std::string> nginx_version(const std::filesystem::path& nginx) {
  auto child = spawn({nginx.string(), "-v"}, {}, {});
  if (!child) return std::unexpected(child.error());
  const std::string output = read_to_end(child->output, std::chrono::steady_clock::now() + kLongestStart);
  end(*child);
  constexpr std::string_view kBefore = "nginx version: nginx/";
  const std::size_t at = output.find(kBefore);
  if (at == std::string::npos) return fail(ErrorCode::kConfig, fmt::format("{} is no nginx", nginx.string()));
  const std::string rest = output.substr(at + kBefore.size());
  return rest.substr(0, rest.find_first_of(" \n"));
}

Result<void> test_nginx_config(const std::filesystem::path& nginx, const NginxPaths& paths,
                               const std::filesystem::path& file, const UniqueFd& listener) {
  std::vector<std::string> arguments = arguments_of(nginx, paths, file);
  arguments.emplace_back("-t");
  auto child = spawn(arguments, paths.prefix, listener);
  if (!child) return std::unexpected(child.error());
  const std::string output = read_to_end(child->output, std::chrono::steady_clock::now() + kLongestStart);
  const bool in_time = wait_for_end(child->pidfd, milliseconds(1000));
  if (!in_time) end(*child);
  const std::string how = in_time ? reap(child->pidfd) : "took too long";
  if (how == "exited with status 0") return {};
  return fail(ErrorCode::kConfig, reason_in(output));
}

Result<StartedNginx> start_nginx(const std::filesystem::path& nginx, const NginxPaths& paths,
                                 const UniqueFd& listener) {
  auto child = spawn(arguments_of(nginx, paths, paths.config), paths.prefix, listener);
  if (!child) return std::unexpected(child.error());
  // nginx replaces its standard error by its log once it has written its pid: the end of the pipe is the news.
  const std::string output = read_to_end(child->output, std::chrono::steady_clock::now() + kLongestStart);
  if (first_line(paths.pid) == std::to_string(child->pid) && !wait_for_end(child->pidfd, milliseconds(0))) {
    return StartedNginx{child->pid, std::move(child->pidfd)};
  }
  constexpr milliseconds kToExit{1000};
  if (!wait_for_end(child->pidfd, kToExit)) {
    end(*child);
    return fail(ErrorCode::kConfig,
                fmt::format("nginx did not start within {} s: {}", kLongestStart.count() / 1000, reason_in(output)));
  }
  const std::string how = reap(child->pidfd);
  return fail(ErrorCode::kConfig, fmt::format("nginx did not start ({}): {}", how, reason_in(output)));
}

}  // namespace secbeat::agent
