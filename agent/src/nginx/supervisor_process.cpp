#include "supervisor_process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::agent {
namespace {

std::optional<pid_t> pid_of(const std::string& name) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

// Empty where its real, effective, saved and file system's user are not the same.
std::optional<uid_t> only_user_of(pid_t pid) {
  constexpr std::string_view kKey = "Uid:";
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kKey)) continue;
    std::istringstream users(line.substr(kKey.size()));
    std::vector<uid_t> found;
    for (uid_t user = 0; users >> user;) found.push_back(user);
    const bool one = found.size() == 4 && std::ranges::count(found, found.front()) == 4;
    return one ? std::optional(found.front()) : std::nullopt;
  }
  return std::nullopt;
}

// 0: there is no such process.
pid_t parent_of(pid_t pid) {
  const std::string stat = first_line(fmt::format("/proc/{}/stat", pid));
  // "pid (name) state ppid …": the name may hold anything, so count from its last bracket.
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos || bracket + 4 > stat.size()) return 0;
  const char* begin = stat.data() + bracket + 4;
  pid_t parent = 0;
  std::from_chars(begin, stat.data() + stat.size(), parent);
  return parent;
}

}  // namespace

bool is_nginx_master(pid_t pid) {
  return first_line(fmt::format("/proc/{}/cmdline", pid)).starts_with("nginx: master process");
}

std::optional<NginxProcess> nginx_process(pid_t pid) {
  const std::string title = first_line(fmt::format("/proc/{}/cmdline", pid));
  const bool master = title.starts_with("nginx: master process");
  if (!master && !title.starts_with("nginx: worker process")) return std::nullopt;
  const auto user = only_user_of(pid);
  if (!user) return std::nullopt;
  return NginxProcess{pid, parent_of(pid), master ? NginxProcess::Role::kMaster : NginxProcess::Role::kWorker, *user};
}

std::vector<NginxProcess> nginx_processes_in(const std::filesystem::path& prefix) {
  std::vector<NginxProcess> found;
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(prefix, error);
  if (error) return found;
  for (const auto& entry : entries_of("/proc")) {
    const auto pid = pid_of(entry.filename().string());
    if (!pid) continue;
    std::error_code unreadable;
    if (std::filesystem::read_symlink(entry / "cwd", unreadable) != folder || unreadable) continue;
    if (const auto process = nginx_process(*pid)) found.push_back(*process);
  }
  return found;
}

UniqueFd open_pidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // the kernel sets close-on-exec
}

UniqueFd hold(const NginxProcess& process) {
  UniqueFd pidfd = open_pidfd(process.pid);
  const auto now = nginx_process(process.pid);
  if (!now || now->role != process.role || now->user != process.user) return {};
  return pidfd;
}

bool send_signal(const UniqueFd& pidfd, int signal) {
  return pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

bool wait_for_end(const UniqueFd& pidfd, std::chrono::milliseconds timeout) {
  if (!pidfd) return true;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wanted{pidfd.get(), POLLIN, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

std::string reap(const UniqueFd& pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return {};
  if (info.si_code == CLD_EXITED) return fmt::format("exited with status {}", info.si_status);
  return fmt::format("killed by signal {} ({})", info.si_status, ::sigdescr_np(info.si_status));
}

std::string advice_on_hanging(pid_t worker) {
  const auto process = nginx_process(worker);
  if (process && process->role == NginxProcess::Role::kWorker)
    return fmt::format("it hangs: look at what it does, or end it (kill -9 {}); nginx starts another", worker);
  return fmt::format(
      "{} is no worker of nginx: leave it alone, and look for who writes to the scoreboard (processes of "
      "the workers' user can)",
      describe_process(worker));
}

}  // namespace secbeat::agent
