// Wires a node together, in the order in which its parts need each other: folders and lock, counters, the workers'
// socket, what is in force, nginx, the API.
#include "secbeat/agent/node.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cancel_token.hpp"
#include "config_values.hpp"
#include "nginx_config.hpp"
#include "node_folders.hpp"
#include "node_lock.hpp"
#include "node_permissions.hpp"
#include "secbeat/agent/api_server.hpp"
#include "secbeat/agent/archive.hpp"
#include "secbeat/agent/break_glass.hpp"
#include "secbeat/agent/event_log.hpp"
#include "secbeat/agent/file_watcher.hpp"
#include "secbeat/agent/fleet_node.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_records.hpp"
#include "secbeat/agent/supervisor.hpp"
#include "secbeat/agent/version_watch.hpp"
#include "secbeat/agent/worker_hub.hpp"
#include "secbeat/base/build_id.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/service/log.hpp"
#include "secbeat/service/notify.hpp"
#include "secbeat/service/signals.hpp"
#include "upkeep.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;

// nginx' worker_shutdown_timeout, and some for it to end.
constexpr milliseconds kGrace{12000};
// Within which the workers of an nginx that we started answer; the node serves without that, and says so.
constexpr milliseconds kWorkersAppear{10000};
constexpr milliseconds kTick{20};

// nginx inherits the limit: two descriptors for each request that it forwards.
void raise_descriptor_limit() {
  constexpr rlim_t kEnough = 65536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The agent's threads share one heap. With one for each, what a flood of requests takes in one of them is of no use to
// the others, and every next flood grows another; large answers go back to the system when they are sent (mallopt(3)).
void keep_one_heap() {
  constexpr int kLarge = 128 * 1024;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
}

class Node {
 public:
  explicit Node(const Config& config) : config_(config) {}

  Result<void> begin(const service::Signals& signals);
  // Until a signal ends it.
  void serve(const service::Signals& signals);
  void end();
  // Leaves nginx running, for the next agent to adopt.
  void end_agent_only();
  // Takes back what begin() did where it failed half-way.
  void abandon();
  // A signal came before it had begun.
  [[nodiscard]] bool ended_early() const { return early_signal_ != 0; }

 private:
  Result<void> open_state(const CancelToken& ending);
  Result<void> open_unless_ended(const service::Signals& signals);
  void start_archive();
  Result<void> start_nginx();
  bool wait_for_workers(const service::Signals& signals);
  void say_ready() const;
  void renew_access();

  const Config& config_;
  RealClock clock_;
  EventLog events_;
  std::vector<FolderLock> locks_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::unique_ptr<WorkerHub> hub_;
  std::unique_ptr<Archive> archive_;  // null: none
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<VersionWatch> watch_;
  std::unique_ptr<BreakGlass> glass_;
  std::unique_ptr<RuleRecords> records_;
  std::unique_ptr<FileWatcher> files_;  // null: files are not watched
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<FleetNode> fleet_;  // null: the node is in no fleet
  int early_signal_ = 0;              // that came while the node began
};

Result<void> Node::open_state(const CancelToken& ending) {
  const control::StatePaths paths{config_.state_dir};
  const auto identity = find_worker_identity(config_);
  if (!identity) return std::unexpected(identity.error());
  if (auto made = make_folders(config_); !made) return made;
  for (const auto& [folder, key] :
       {std::pair(config_.data_dir, "data_dir"), std::pair(config_.state_dir, "state_dir")}) {
    auto lock = FolderLock::take(folder, key);
    if (!lock) return std::unexpected(lock.error());
    locks_.push_back(std::move(*lock));
  }
  const auto tended = tend_permissions(config_, *identity);
  if (!tended) return std::unexpected(tended.error());
  for (const std::string& sentence : *tended) spdlog::warn("{}; put right", sentence);
  if (auto linked = link_data(config_); !linked) return linked;
  auto scoreboard = control::Scoreboard::create(paths.scoreboard(), ::geteuid(), identity->gid);
  if (!scoreboard) return std::unexpected(scoreboard.error());
  scoreboard_ = std::move(*scoreboard);
  if (!scoreboard_->notice().empty()) spdlog::warn("{}", scoreboard_->notice());
  auto hub = WorkerHub::start(paths, *scoreboard_,
                              {.worker_group = identity->gid,
                               .build = std::string(build_id()),
                               .sink = [this](std::int32_t, const control::Event& event) { events_.add(event); }});
  if (!hub) return std::unexpected(hub.error());
  hub_ = std::move(*hub);
  // Before they are loaded: what changes from here on is seen.
  if (config_.auto_reload_on_file_change) files_ = FileWatcher::create(config_, clock_);
  restore_freeze(config_, *scoreboard_);
  auto reloader = open_reloader(config_, *scoreboard_, *hub_, clock_, ending);
  if (!reloader) return std::unexpected(reloader.error());
  reloader_ = std::move(*reloader);
  // What has just been made.
  if (auto again = tend_permissions(config_, *identity); !again) return std::unexpected(again.error());
  start_archive();
  watch_ = VersionWatch::start(config_, *scoreboard_, *reloader_, clock_);
  glass_ = BreakGlass::start(config_, *scoreboard_, *hub_, *reloader_, clock_);
  records_ = RuleRecords::start(*scoreboard_, *reloader_, clock_);
  return check_reach(config_, *identity);
}

void Node::start_archive() {
  if (config_.archive.is_nowhere()) return;
  archive_ = Archive::start(config_);
  reloader_->set_keeper(archive_.get());
  archive_->catch_up(*reloader_);
}

Result<void> Node::start_nginx() {
  if (config_.nginx == Nginx::kExternal) return {};
  auto supervisor = Supervisor::start(config_);
  if (!supervisor) return std::unexpected(supervisor.error());
  supervisor_ = std::move(*supervisor);
  return {};
}

Result<void> Node::begin(const service::Signals& signals) {
  for (const std::string& notice : config_.notices) spdlog::warn("{}", notice);
  if (auto opened = open_unless_ended(signals); !opened) return opened;
  if (auto started = start_nginx(); !started) return started;
  if (supervisor_ && !wait_for_workers(signals) && early_signal_ == 0) {
    spdlog::warn("not all of nginx' workers answer yet; its log is {}", nginx_paths(config_).error_log.string());
  }
  fault_point("start.nginx_runs");
  auto api = ApiServer::start({.config = config_,
                               .reloader = *reloader_,
                               .hub = *hub_,
                               .scoreboard = *scoreboard_,
                               .events = events_,
                               .supervisor = supervisor_.get(),
                               .clock = clock_,
                               .archive = archive_.get(),
                               .watch = watch_.get(),
                               .glass = glass_.get(),
                               .records = records_.get()});
  if (!api) return std::unexpected(api.error());
  api_ = std::move(*api);
  if (files_) {
    if (auto watched = files_->start(*reloader_); !watched) return watched;
  }
  upkeep_ = std::make_unique<Upkeep>(*reloader_);
  if (!config_.nats_url.empty()) {
    auto fleet = FleetNode::start(config_, *reloader_, *scoreboard_, *records_, clock_);
    if (!fleet) return std::unexpected(fleet.error());
    fleet_ = std::move(*fleet);
  }
  say_ready();
  service::notify("READY=1\nSTATUS=Serving");
  return {};
}

// Modules are compiled meanwhile, which takes as long as it does: a signal that ends the node ends that.
Result<void> Node::open_unless_ended(const service::Signals& signals) {
  CancelToken ending;
  std::jthread watching([&](const std::stop_token& done) {
    while (!done.stop_requested() && early_signal_ == 0) {
      const int signal = signals.wait(kTick);
      if (signal == 0 || signal == SIGHUP) continue;  // there is no log to open again yet
      early_signal_ = signal;
      ending.cancel();
    }
  });
  auto opened = open_state(ending);
  watching.request_stop();
  watching.join();
  if (opened && early_signal_ != 0) return fail(ErrorCode::kShuttingDown, "the node ends before it has started");
  return opened;
}

// Whether all workers are there and serve what is in force.
bool Node::wait_for_workers(const service::Signals& signals) {
  const auto deadline = clock_.steady() + kWorkersAppear;
  while (clock_.steady() < deadline) {
    const auto workers = hub_->workers();
    const bool connected =
        workers.size() >= worker_count(config_) && std::ranges::all_of(workers, &WorkerStatus::connected);
    if (connected && (reloader_->ready() || reloader_->in_force().slots.empty())) return true;
    early_signal_ = signals.wait(kTick);
    if (early_signal_ != 0) return false;
  }
  return false;
}

void Node::say_ready() const {
  const std::string api = fmt::format("{}://{}", config_.tls_certificate.empty() ? "http" : "https",
                                      to_text(Listen{config_.api.host, api_->port()}));
  if (supervisor_) {
    spdlog::info("ready: http://{} protects {}; API {}/api/v1, metrics {}/metrics",
                 to_text(supervisor_->status().listen), config_.upstream, api, api);
  } else {
    spdlog::info(
        "ready: waiting for the workers of an nginx with \"secbeat_state {};\"; API {}/api/v1, metrics {}/metrics",
        config_.state_dir.string(), api, api);
  }
}

void Node::serve(const service::Signals& signals) {
  for (;;) {
    const int signal = early_signal_ != 0 ? std::exchange(early_signal_, 0) : signals.wait(milliseconds(-1));
    if (signal == SIGHUP) {
      spdlog::info("SIGHUP: nginx opens its log files again; keys and certificate of the API are read again");
      if (supervisor_) supervisor_->reopen_logs();
      renew_access();
    } else if (signal == SIGUSR2) {
      spdlog::info("SIGUSR2: the agent ends, nginx goes on with what is in force");
      return end_agent_only();
    } else if (signal == SIGTERM || signal == SIGINT) {
      spdlog::info("{}: the node ends", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      signals.let_go();
      return end();
    }
  }
}

// Of the file, only who may use the API: all else takes a restart. What cannot be read changes nothing.
void Node::renew_access() {
  const auto fresh = load_config(config_.file);
  const auto renewed = fresh ? api_->renew(*fresh) : std::unexpected(fresh.error());
  if (renewed) return spdlog::info("the API has {}", *renewed);
  spdlog::error("the API's keys and certificate stay as they are: {}", renewed.error().message);
}

void Node::end_agent_only() {
  service::notify("STOPPING=1");
  if (reloader_) reloader_->shut_down();  // first: a compile under way is cancelled, and its caller is told
  if (watch_) watch_->stop();
  if (glass_) glass_->stop();
  upkeep_.reset();
  fleet_.reset();
  if (files_) files_->stop();
  if (api_) api_->stop();
  if (archive_) archive_->stop();
  if (records_) records_->stop();
}

void Node::end() {
  end_agent_only();
  if (supervisor_) supervisor_->stop(kGrace);
}

void Node::abandon() {
  if (reloader_) reloader_->shut_down();
  fleet_.reset();
  if (watch_) watch_->stop();
  if (glass_) glass_->stop();
  if (records_) records_->stop();
  // An nginx that ran before us serves on; one that we started for nothing goes.
  if (supervisor_ && !supervisor_->status().adopted) supervisor_->stop(kGrace);
}

}  // namespace

int run_node(const Config& config) {
  service::log_to_standard_error(config.log_level);
  const service::Signals signals;  // before any thread, so that none gets them
  ::umask(022);                    // what workers read must be readable, whatever the shell's mask is
  raise_descriptor_limit();
  keep_one_heap();
  spdlog::info("secbeat {} node {} starts with {}, data in {}, state in {}", SECBEAT_VERSION, config.node_name,
               config.file.string(), config.data_dir.string(), config.state_dir.string());
  Node node(config);
  if (auto begun = node.begin(signals); !begun) {
    if (node.ended_early() && begun.error().code == ErrorCode::kShuttingDown) {
      spdlog::info("{}", begun.error().message);
      node.abandon();
      return 0;
    }
    spdlog::critical("{}", begun.error().message);
    node.abandon();
    return 1;
  }
  node.serve(signals);
  return 0;
}

}  // namespace secbeat::agent
