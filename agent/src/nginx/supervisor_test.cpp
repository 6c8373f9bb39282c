// The supervisor with a real nginx. Where the module is not built (sanitizer builds), the generated configuration
// cannot be run, and these tests are skipped.
#include "secbeat/agent/supervisor.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "nginx_config.hpp"
#include "node_folders.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "supervisor_listener.hpp"
#include "supervisor_process.hpp"
#include "supervisor_spawn.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr milliseconds kPatience{60000};  // for what must come; never a measurement

bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// The status line of a GET, or what went wrong.
std::string get(std::uint16_t port) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "refused";
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  if (::write(socket.get(), kRequest.data(), kRequest.size()) < 0) return "reset";
  std::string answer(4096, '\0');
  const ssize_t n = ::read(socket.get(), answer.data(), answer.size());
  if (n <= 0) return "closed";
  return answer.substr(0, answer.find('\r'));
}

// nginx cannot reach this site, so it answers 502: that is enough to see that it serves.
constexpr std::string_view kServed = "HTTP/1.1 502 Bad Gateway";

class RunningNginx : public ::testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    if (!find_nginx(Config{})) GTEST_SKIP() << "nginx is not installed";
    const fs::path module = fs::path(SECBEAT_GUESTS_DIR).parent_path() / "nginx" / "ngx_http_secbeat_module.so";
    if (!fs::exists(module)) GTEST_SKIP() << "the nginx module is not built";
    ::setenv("SECBEAT_NGINX_MODULE", module.c_str(), 1);
    std::string pattern = fs::temp_directory_path() / "secbeat-supervisor-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    ::chmod(root_.c_str(), 0755);
    config_.file = root_ / "secbeat.toml";
    config_.data_dir = root_ / "data";
    config_.state_dir = root_ / "state";
    config_.proxy = {"127.0.0.1", 0};
    config_.upstream = "127.0.0.1:1";
    config_.workers = 2;
    ASSERT_TRUE(make_folders(config_));
    ASSERT_TRUE(link_data(config_));
  }

  void TearDown() override {
    if (root_.empty()) return;
    supervisor_.reset();
    EXPECT_TRUE(comes_true([&] {  // again and again: a master may start workers until it is gone
      for (const NginxProcess& process : ours()) ::kill(process.pid, SIGKILL);
      return ours().empty();
    }));
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    fs::remove_all(root_);
  }

  void start() {
    auto supervisor = Supervisor::start(config_);
    ASSERT_TRUE(supervisor) << supervisor.error().message << "\n" << error_log();
    supervisor_ = std::move(*supervisor);
    port_ = supervisor_->status().listen.port;
    ASSERT_NE(port_, 0);
  }

  [[nodiscard]] std::vector<NginxProcess> ours() const { return nginx_processes_in(nginx_paths(config_).prefix); }
  [[nodiscard]] std::vector<pid_t> workers() const {
    std::vector<pid_t> pids;
    for (const NginxProcess& process : ours()) {
      if (process.role == NginxProcess::Role::kWorker) pids.push_back(process.pid);
    }
    std::ranges::sort(pids);
    return pids;
  }
  [[nodiscard]] pid_t master() const { return supervisor_->status().master_pid; }
  [[nodiscard]] std::string error_log() const {
    std::ostringstream text;
    text << std::ifstream(nginx_paths(config_).error_log).rdbuf();
    return text.str();
  }

  Config config_;
  fs::path root_;
  std::unique_ptr<Supervisor> supervisor_;
  std::uint16_t port_ = 0;
};

TEST_F(RunningNginx, ServesAndEndsWhenItIsTold) {
  start();
  EXPECT_EQ(get(port_), kServed);
  EXPECT_FALSE(supervisor_->status().adopted);
  EXPECT_FALSE(supervisor_->status().version.empty());
  supervisor_->stop(kPatience);
  EXPECT_EQ(get(port_), "refused");
  EXPECT_TRUE(ours().empty());
  EXPECT_EQ(supervisor_->status().master_pid, 0);
}

TEST_F(RunningNginx, RefusesNobodyWhileAKilledMasterIsReplaced) {
  start();
  const pid_t first = master();
  const auto orphans = workers();
  std::string worst(kServed);
  std::jthread client([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (const std::string answer = get(port_); answer != kServed) worst = answer;
    }
  });
  ::kill(first, SIGKILL);
  ASSERT_TRUE(comes_true([&] { return supervisor_->status().restarts == 1; })) << error_log();
  EXPECT_NE(master(), first);
  EXPECT_TRUE(comes_true([&] {
    const auto now = workers();
    return now.size() == 2 &&
           std::ranges::none_of(now, [&](pid_t pid) { return std::ranges::count(orphans, pid) != 0; });
  })) << "the orphans go, others are there";
  client.request_stop();
  client.join();
  EXPECT_EQ(worst, kServed);
  supervisor_->stop(kPatience);
  EXPECT_TRUE(ours().empty());
}

TEST_F(RunningNginx, IsReplacedAgainAndAgain) {
  start();
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ::kill(master(), SIGKILL);
    ASSERT_TRUE(comes_true([&] { return supervisor_->status().restarts == round; }));
    EXPECT_EQ(get(port_), kServed);
  }
}

TEST_F(RunningNginx, GoesOnWithoutUsAndIsAdopted) {
  start();
  const pid_t first = master();
  const auto first_workers = workers();
  supervisor_.reset();
  EXPECT_EQ(get(port_), kServed);
  start();
  EXPECT_EQ(master(), first);
  EXPECT_TRUE(supervisor_->status().adopted);
  EXPECT_EQ(workers(), first_workers);
  EXPECT_EQ(get(port_), kServed);
  supervisor_->stop(kPatience);
  EXPECT_TRUE(ours().empty());
}

TEST_F(RunningNginx, IsReplacedAlsoWhereItWasAdopted) {
  start();
  supervisor_.reset();
  start();
  const pid_t first = master();
  ::kill(first, SIGKILL);
  ::waitpid(first, nullptr, 0);  // it is still this process's child
  ASSERT_TRUE(comes_true([&] { return supervisor_->status().restarts == 1; }));
  EXPECT_NE(master(), first);
  EXPECT_EQ(get(port_), kServed);
}

TEST_F(RunningNginx, ThatLostItsMasterWhileNobodyWatchedIsReplacedOnTheSamePort) {
  start();
  const std::uint16_t port = port_;
  const pid_t first = master();
  supervisor_.reset();
  ::kill(first, SIGKILL);
  ASSERT_EQ(::waitpid(first, nullptr, 0), first);
  EXPECT_EQ(get(port), kServed) << "orphans serve";
  start();
  EXPECT_EQ(port_, port);
  EXPECT_NE(master(), first);
  EXPECT_EQ(get(port), kServed);
  EXPECT_TRUE(comes_true([&] { return workers().size() == 2; }));
}

TEST_F(RunningNginx, ReadsAChangedConfigurationWithoutAnotherMaster) {
  start();
  const pid_t first = master();
  const auto first_workers = workers();
  supervisor_.reset();
  config_.workers = 3;
  start();
  EXPECT_EQ(master(), first);
  EXPECT_TRUE(comes_true([&] { return workers().size() == 3; }));
  EXPECT_EQ(get(port_), kServed);
}

TEST_F(RunningNginx, MovesToAnotherAddress) {
  start();
  const pid_t first = master();
  const std::uint16_t old_port = port_;
  supervisor_.reset();
  auto free_port = bind_listener({"127.0.0.1", 0});
  ASSERT_TRUE(free_port);
  config_.proxy.port = address_of(*free_port).port;
  free_port->reset();
  start();
  EXPECT_EQ(port_, config_.proxy.port);
  EXPECT_EQ(get(port_), kServed);
  EXPECT_TRUE(comes_true([&] { return get(old_port) == "refused"; }));
  int status = 0;
  ::waitpid(first, &status, 0);
  const auto pid_file = nginx_paths(config_).pid;
  EXPECT_TRUE(comes_true([&] { return first_line(pid_file) == std::to_string(master()); }))
      << "the one that ended took the file with it";
}

TEST_F(RunningNginx, TellsWhoHasItsPort) {
  auto taken = bind_listener({"127.0.0.1", 0});
  ASSERT_TRUE(taken);
  config_.proxy.port = address_of(*taken).port;
  const auto supervisor = Supervisor::start(config_);
  ASSERT_FALSE(supervisor);
  EXPECT_EQ(supervisor.error().code, ErrorCode::kConfig);
  EXPECT_THAT(supervisor.error().message, AllOf(HasSubstr("127.0.0.1:" + std::to_string(config_.proxy.port)),
                                                HasSubstr("in use by process " + std::to_string(::getpid()))));
  EXPECT_TRUE(ours().empty());
}

TEST_F(RunningNginx, TellsWhyNginxRefusesTheConfiguration) {
  config_.upstream = "no-such-host.invalid:80";
  const auto supervisor = Supervisor::start(config_);
  ASSERT_FALSE(supervisor);
  EXPECT_THAT(supervisor.error().message, AllOf(HasSubstr("nginx refuses its configuration"),
                                                HasSubstr("host not found in upstream \"no-such-host.invalid:80\"")));
}

TEST_F(RunningNginx, KeepsWhatRunsWhereANewConfigurationIsRefused) {
  start();
  const pid_t first = master();
  supervisor_.reset();
  config_.upstream = "no-such-host.invalid:80";
  EXPECT_FALSE(Supervisor::start(config_));
  config_.upstream = "127.0.0.1:1";
  start();
  EXPECT_EQ(master(), first);
  EXPECT_EQ(get(port_), kServed);
}

TEST_F(RunningNginx, InheritsNothingOfOursButTheListener) {
  start();
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(master()) + "/fd")) {
    const std::string target = fs::read_symlink(entry.path()).string();
    EXPECT_FALSE(target.starts_with("/dev/pts")) << target;
    EXPECT_EQ(target.find("eventfd"), std::string::npos) << target;
  }
  EXPECT_EQ(::getsid(master()), master()) << "a session of its own";
}

TEST_F(RunningNginx, OpensItsLogsAgain) {
  start();
  const fs::path log = nginx_paths(config_).error_log;
  fs::rename(log, log.string() + ".1");
  supervisor_->reopen_logs();
  EXPECT_TRUE(comes_true([&] { return fs::exists(log); }));
}

// A child of this process that only waits, under the title that it is given.
class Bystander {
 public:
  explicit Bystander(const char* title) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execl("/bin/sleep", title, "1000", nullptr);
    ::_exit(1);
  }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] bool lives() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

// Every process of the workers' user can write any number there.
TEST_F(RunningNginx, SignalsNobodyElseWhateverTheScoreboardSays) {
  auto scoreboard = control::Scoreboard::create(control::StatePaths{config_.state_dir}.scoreboard(), ::geteuid(),
                                                static_cast<gid_t>(-1));
  ASSERT_TRUE(scoreboard) << scoreboard.error().message;
  const Bystander plain("sleep");
  const Bystander in_disguise("nginx: worker process");
  for (const Bystander* bystander : {&plain, &in_disguise}) {
    ASSERT_TRUE(
        comes_true([&] { return first_line(fmt::format("/proc/{}/cmdline", bystander->pid())).contains("1000"); }));
    ASSERT_TRUE((*scoreboard)->claim(bystander->pid(), 1));
  }
  start();
  supervisor_->stop(kPatience);
  EXPECT_TRUE(plain.lives());
  // A process of the workers' own user may be taken for one: any of them could end it as well.
  EXPECT_TRUE(::geteuid() != 0 || in_disguise.lives());
}

TEST(NginxProcess, AdviceIsToEndWhatIsAWorkerOnly) {
  const Bystander bystander("sleep");
  EXPECT_THAT(advice_on_hanging(bystander.pid()), AllOf(HasSubstr("leave it alone"), Not(HasSubstr("kill"))));
}

TEST_F(RunningNginx, LeavesNoComplaintInItsLog) {
  start();
  EXPECT_EQ(get(port_), kServed);
  supervisor_->stop(kPatience);
  for (const char* level : {"[alert]", "[crit]", "[emerg]"})
    EXPECT_EQ(error_log().find(level), std::string::npos) << error_log();
}

TEST(FindNginx, SaysHowToGetIt) {
  Config config;
  config.nginx_binary = "/nonexistent/nginx";
  const auto found = find_nginx(config);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("nginx_binary = \"/nonexistent/nginx\""));
}

TEST(NginxVersion, RefusesAProgramThatIsNoNginx) {
  const auto version = nginx_version("/bin/true");
  ASSERT_FALSE(version);
  EXPECT_THAT(version.error().message, HasSubstr("/bin/true is no nginx"));
}

}  // namespace
}  // namespace secbeat::agent
