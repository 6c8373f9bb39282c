#include "secbeat/agent/supervisor.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "config_values.hpp"
#include "nginx_config.hpp"
#include "node_folders.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "supervisor_listener.hpp"
#include "supervisor_process.hpp"
#include "supervisor_spawn.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{2000};
// A master that lived this long gets its successor at once.
constexpr milliseconds kStable{10000};
// Within which the workers of a new master are there; only then may the old ones go.
constexpr milliseconds kWorkersAppear{2000};
constexpr milliseconds kTick{20};
constexpr int kLookAgainMs = 1000;
// For a process that was asked to end at once.
constexpr milliseconds kTerminate{2000};
constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;

bool is_one_of(const std::vector<NginxProcess>& ours, const std::vector<pid_t>& pids) {
  return std::ranges::any_of(ours,
                             [&](const NginxProcess& process) { return std::ranges::count(pids, process.pid) != 0; });
}

bool is_orphan(const NginxProcess& process) {
  return process.role == NginxProcess::Role::kWorker && !is_nginx_master(process.parent);
}

class RealSupervisor final : public Supervisor {
 public:
  RealSupervisor(const Config& config, uid_t worker_user, std::filesystem::path nginx, std::filesystem::path module,
                 std::string version)
      : config_(config),
        paths_(nginx_paths(config)),
        worker_user_(worker_user),
        nginx_(std::move(nginx)),
        module_(std::move(module)) {
    status_.version = std::move(version);
  }
  ~RealSupervisor() override { end_thread(); }

  Result<void> begin() {
    stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_) return std::unexpected(io_error("cannot make an eventfd"));
    const auto masters = masters_running();
    if (auto ready = open_listener(masters); !ready) return ready;
    auto changed = write_config();
    if (!changed) return std::unexpected(changed.error());
    auto begun = masters.empty() ? start_master() : adopt(masters.front(), *changed);
    if (!begun) return begun;
    std::error_code ignored;
    std::filesystem::remove(paths_.candidate, ignored);
    retire_orphans();
    thread_ = std::thread([this] { keep_watching(); });
    return {};
  }

  void stop(milliseconds grace) override;

  void reopen_logs() override {
    const std::scoped_lock lock(mutex_);
    send_signal(master_, SIGUSR1);
  }

  [[nodiscard]] NginxStatus status() const override {
    const std::scoped_lock lock(mutex_);
    return status_;
  }

 private:
  [[nodiscard]] bool may_be_ours(const NginxProcess& process) const;
  [[nodiscard]] std::vector<NginxProcess> our_processes() const;
  [[nodiscard]] std::vector<NginxProcess> masters_running() const {
    auto found = our_processes();
    std::erase_if(found, [](const NginxProcess& process) { return process.role != NginxProcess::Role::kMaster; });
    return found;
  }

  Result<void> open_listener(const std::vector<NginxProcess>& masters);
  Result<bool> write_config();
  Result<void> start_master();
  Result<void> adopt(const NginxProcess& master, bool config_changed);
  Result<void> replace(const NginxProcess& master);
  [[nodiscard]] bool is_outdated(const NginxProcess& master) const;
  void retire_orphans();
  void wait_for_workers(pid_t master);

  void keep_watching() noexcept;
  void watch();
  void say_that_it_ended();
  bool restart(bool at_once, milliseconds& backoff);
  void write_pid() const;
  bool wait_or_stop(milliseconds timeout);
  void end_thread();

  const Config config_;
  const NginxPaths paths_;
  const uid_t worker_user_;
  const std::filesystem::path nginx_;
  const std::filesystem::path module_;

  UniqueFd stop_;         // an eventfd, readable when the thread is to end; constant after begin()
  UniqueFd listener_;     // the thread's while it runs
  UniqueFd replaced_;     // the thread's while it runs: a former master that serves its last connections
  std::set<pid_t> told_;  // the thread's while it runs: orphans that were asked to finish
  std::thread thread_;

  mutable std::mutex mutex_;
  UniqueFd master_;     // guarded by mutex_; replaced by the thread only
  NginxStatus status_;  // guarded by mutex_
};

// Folder and title are up to the process itself, and any process of the workers' user can write any pid to the
// scoreboard: by none of them may a process of another user be signalled, or be taken for the master.
bool RealSupervisor::may_be_ours(const NginxProcess& process) const {
  return process.user == (process.role == NginxProcess::Role::kMaster ? ::geteuid() : worker_user_);
}

// By their folder, and the workers by their slots in the scoreboard too: in a container, the folder of another user's
// process may not be seen.
std::vector<NginxProcess> RealSupervisor::our_processes() const {
  auto found = nginx_processes_in(paths_.prefix);
  std::erase_if(found, [this](const NginxProcess& process) { return !may_be_ours(process); });
  const auto scoreboard = control::Scoreboard::open(control::StatePaths{config_.state_dir}.scoreboard());
  if (!scoreboard) return found;
  for (const std::uint32_t slot : (*scoreboard)->live_slots()) {
    const pid_t pid = (*scoreboard)->layout().workers[slot].pid.load();
    if (std::ranges::count(found, pid, &NginxProcess::pid) != 0) continue;
    const auto process = nginx_process(pid);
    if (!process || process->role != NginxProcess::Role::kWorker || !may_be_ours(*process)) continue;
    // A worker of another nginx that has our state directory is not ours to end.
    if (is_orphan(*process) || std::ranges::count(found, process->parent, &NginxProcess::pid) != 0)
      found.push_back(*process);
  }
  return found;
}

// Takes the socket that is there from whoever of ours has it, else binds it. Without right to take it, a running
// master keeps it for itself, and a restart binds anew once the workers have let go.
Result<void> RealSupervisor::open_listener(const std::vector<NginxProcess>& masters) {
  const auto ours = our_processes();
  for (const NginxProcess& process : ours) {
    listener_ = take_listener(process.pid, config_.proxy);
    if (listener_) break;
  }
  if (!listener_) {
    auto bound = bind_listener(config_.proxy);
    if (!bound && masters.empty() && !ours.empty()) {
      retire_orphans();
      const auto deadline = Clock::now() + kStable + kTerminate;  // the orphans' worker_shutdown_timeout, and some
      while (!bound && Clock::now() < deadline && !wait_or_stop(kTick)) bound = bind_listener(config_.proxy);
    }
    if (bound) {
      listener_ = std::move(*bound);
    } else if (!is_one_of(ours, port_owners(config_.proxy.port))) {
      return std::unexpected(bound.error());
    }
  }
  const std::scoped_lock lock(mutex_);
  status_.listen = listener_ ? address_of(listener_) : config_.proxy;
  return {};
}

// True: nginx may not have read what is on disk now. A candidate stays until it has been told to, so that an agent
// that dies in between leaves a trace.
Result<bool> RealSupervisor::write_config() {
  Config resolved = config_;
  resolved.proxy = status_.listen;
  const std::string text = generate_nginx_config(resolved, module_);
  const auto old = read_file(paths_.config, kMaxConfigBytes);
  std::error_code ignored;
  if (old && *old == text) return std::filesystem::exists(paths_.candidate, ignored);
  if (auto written = write_file_atomically(paths_.candidate, text); !written) return std::unexpected(written.error());
  if (auto good = test_nginx_config(nginx_, paths_, paths_.candidate, listener_); !good) {
    std::filesystem::rename(paths_.candidate, paths_.refused, ignored);
    return fail(good.error().code, fmt::format("nginx refuses its configuration, kept as {}: {}",
                                               paths_.refused.string(), good.error().message));
  }
  if (auto written = write_file_atomically(paths_.config, text); !written) return std::unexpected(written.error());
  return true;
}

Result<void> RealSupervisor::start_master() {
  auto started = start_nginx(nginx_, paths_, listener_);
  if (!started) return std::unexpected(started.error());
  wait_for_workers(started->pid);
  const std::scoped_lock lock(mutex_);
  master_ = std::move(started->pidfd);
  status_.master_pid = started->pid;
  status_.adopted = false;
  spdlog::info("nginx {} runs as process {} and listens on {}", status_.version, status_.master_pid,
               to_text(status_.listen));
  return {};
}

// Whether the master runs another binary, another build of the module, or on another socket than it would now:
// that takes a new master, a signal to the old one does not do it.
bool RealSupervisor::is_outdated(const NginxProcess& master) const {
  std::error_code error;
  const std::filesystem::path process = fmt::format("/proc/{}", master.pid);
  const auto exe = std::filesystem::read_symlink(process / "exe", error);
  const auto wanted = std::filesystem::canonical(nginx_, error);
  if (!error && exe != wanted) return true;  // also "… (deleted)"
  if (listener_ && !take_listener(master.pid, config_.proxy)) return true;
  const auto maps = read_file(process / "maps", kMaxConfigBytes);
  return maps && !maps->empty() && !maps->contains(module_.string() + "\n");
}

Result<void> RealSupervisor::adopt(const NginxProcess& master, bool config_changed) {
  if (is_outdated(master)) return replace(master);
  UniqueFd pidfd = hold(master);
  if (!pidfd) return start_master();
  if (config_changed) {
    spdlog::info("nginx (process {}) is told to read its changed configuration", master.pid);
    send_signal(pidfd, SIGHUP);
  }
  const std::scoped_lock lock(mutex_);
  master_ = std::move(pidfd);
  status_.master_pid = master.pid;
  status_.adopted = true;
  spdlog::info("nginx {} goes on as process {} on {}", status_.version, master.pid, to_text(status_.listen));
  return {};
}

Result<void> RealSupervisor::replace(const NginxProcess& master) {
  spdlog::info("nginx (process {}) runs another binary, module or address than it would now: it is replaced",
               master.pid);
  replaced_ = hold(master);
  auto started = start_master();
  if (!started) return started;
  send_signal(replaced_, SIGQUIT);  // it closes its listeners and serves its last connections
  return {};
}

void RealSupervisor::wait_for_workers(pid_t master) {
  const auto deadline = Clock::now() + kWorkersAppear;
  while (Clock::now() < deadline) {
    const auto processes = our_processes();
    if (std::ranges::any_of(processes, [&](const NginxProcess& process) {
          return process.parent == master && process.role == NginxProcess::Role::kWorker;
        })) {
      return;
    }
    if (wait_or_stop(kTick)) return;
  }
}

// Asks workers without a master to serve their last connections and go.
void RealSupervisor::retire_orphans() {
  const auto processes = our_processes();
  for (const NginxProcess& process : processes) {
    const UniqueFd pidfd = hold(process);
    if (!is_orphan(process) || told_.contains(process.pid) || !send_signal(pidfd, SIGQUIT)) continue;
    told_.insert(process.pid);
    spdlog::info("nginx worker {} has lost its master and is asked to finish", process.pid);
  }
}

// True: the supervisor is to end.
bool RealSupervisor::wait_or_stop(milliseconds timeout) {
  pollfd wanted{stop_.get(), POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(timeout.count())) > 0;
}

void RealSupervisor::keep_watching() noexcept {
  do {
    try {
      return watch();
    } catch (const std::exception& error) {  // memory that cannot be had: what is due is done at the next attempt
      spdlog::error("nginx' supervision: {}", error.what());
    }
  } while (!wait_or_stop(kFirstBackoff));
}

void RealSupervisor::watch() {
  auto backoff = kFirstBackoff;
  auto began = Clock::now();
  for (;;) {
    std::array<pollfd, 3> wanted{{{stop_.get(), POLLIN, 0}, {master_.get(), POLLIN, 0}, {replaced_.get(), POLLIN, 0}}};
    // A worker that had just been forked when its master died does not look like one at once: look again for a while.
    const bool young = Clock::now() - began <= kStable;
    const int ready = ::poll(wanted.data(), wanted.size(), young ? kLookAgainMs : -1);
    if (ready == 0) retire_orphans();
    if (ready <= 0) continue;
    if (wanted[0].revents != 0) return;
    if (wanted[2].revents != 0) {
      replaced_.reset();
      write_pid();  // the one that ended has removed it
    }
    if (wanted[1].revents == 0) continue;
    say_that_it_ended();
    const bool stable = Clock::now() - began > kStable;
    if (stable) backoff = kFirstBackoff;
    if (!restart(stable, backoff)) return;
    began = Clock::now();
  }
}

void RealSupervisor::say_that_it_ended() {
  const std::string how = reap(master_);
  const std::scoped_lock lock(mutex_);
  spdlog::error("nginx (process {}) ended{}{}; it is started again", status_.master_pid, how.empty() ? "" : ": ", how);
  master_.reset();
  status_.master_pid = 0;
}

// Tries until a master runs. False: the supervisor is to end.
bool RealSupervisor::restart(bool at_once, milliseconds& backoff) {
  for (;; at_once = false) {
    if (!at_once) {
      if (wait_or_stop(backoff)) return false;
      backoff = std::min(2 * backoff, kLongestBackoff);
    }
    if (!listener_) {
      retire_orphans();  // nobody can take over their socket: they must let go of it
      auto bound = bind_listener(status().listen);
      if (!bound) {
        spdlog::warn("nginx cannot be started again yet: {}", bound.error().message);
        continue;
      }
      listener_ = std::move(*bound);
    }
    if (auto started = start_master(); !started) {
      spdlog::error("{}", started.error().message);
      continue;
    }
    retire_orphans();
    const std::scoped_lock lock(mutex_);
    ++status_.restarts;
    return true;
  }
}

void RealSupervisor::write_pid() const {
  const auto written = write_file_atomically(paths_.pid, fmt::format("{}\n", status().master_pid));
  if (!written) spdlog::warn("{}", written.error().message);
}

void RealSupervisor::end_thread() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) != sizeof one) spdlog::error("cannot wake the supervisor's thread");
  thread_.join();
}

// Every process of ours, so that orphans and a replaced master end as well.
void RealSupervisor::stop(milliseconds grace) {
  end_thread();
  listener_.reset();  // or clients would wait in its queue for nobody
  struct Step {
    int signal;
    milliseconds patience;
  };
  for (const Step step : {Step{SIGQUIT, grace}, Step{SIGTERM, kTerminate}, Step{SIGKILL, kTerminate}}) {
    std::vector<UniqueFd> processes;
    const auto all = our_processes();
    for (const NginxProcess& process : all) {
      processes.push_back(hold(process));
      // A worker is told by its master where it has one.
      const bool tell = process.role == NginxProcess::Role::kMaster || is_orphan(process) || step.signal == SIGKILL;
      if (tell) send_signal(processes.back(), step.signal);
    }
    if (processes.empty()) break;
    const auto deadline = Clock::now() + step.patience;
    const bool ended = std::ranges::all_of(processes, [&](const UniqueFd& process) {
      return wait_for_end(process, std::chrono::ceil<milliseconds>(deadline - Clock::now()));
    });
    if (ended) break;
    spdlog::warn("nginx did not end within {} ms of signal {}", step.patience.count(), step.signal);
  }
  if (master_) reap(master_);
  const std::scoped_lock lock(mutex_);
  master_.reset();
  status_.master_pid = 0;
}

}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::start(const Config& config) {
  const auto workers = find_worker_identity(config);
  if (!workers) return std::unexpected(workers.error());
  auto nginx = find_nginx(config);
  if (!nginx) return std::unexpected(nginx.error());
  auto module = find_nginx_module();
  if (!module) return std::unexpected(module.error());
  auto version = nginx_version(*nginx);
  if (!version) return std::unexpected(version.error());
  std::error_code error;
  std::filesystem::create_directories(nginx_paths(config).temporary, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot make {}: {}", nginx_paths(config).temporary.string(), error.message()));
  }
  const uid_t user = workers->uid == WorkerIdentity::kSameUser ? ::geteuid() : workers->uid;
  auto supervisor =
      std::make_unique<RealSupervisor>(config, user, std::move(*nginx), std::move(*module), std::move(*version));
  if (auto begun = supervisor->begin(); !begun) return std::unexpected(begun.error());
  return supervisor;
}

}  // namespace secbeat::agent
