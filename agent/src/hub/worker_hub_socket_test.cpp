// Who may connect, and what becomes of those who misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "worker_hub_fixture.hpp"
#include "worker_hub_socket.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;

TEST_F(WorkerHubTest, SocketIsForOwnerAndGroupOnly) {
  start_hub();
  struct stat st{};
  ASSERT_EQ(::stat(paths_.socket().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0660U);
  hub_.reset();
  EXPECT_FALSE(std::filesystem::exists(paths_.socket()));
}

TEST_F(WorkerHubTest, TakesThePlaceOfADeadAgentButNotOfALivingOne) {
  start_hub();
  const auto second = WorkerHub::start(paths_, *scoreboard_, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("another agent listens"));

  const auto left_over = paths_.state_dir / "left_over.sock";
  std::filesystem::create_hard_link(paths_.socket(), left_over);
  hub_.reset();
  std::filesystem::rename(left_over, paths_.socket());  // bound, and nobody listens
  start_hub();
  EXPECT_TRUE(connect_to(paths_.socket()));
}

TEST_F(WorkerHubTest, RemovesNothingThatIsNoSocketAndRefusesLongPaths) {
  std::ofstream(paths_.socket()) << "mine";
  const auto in_the_way = WorkerHub::start(paths_, *scoreboard_, {});
  ASSERT_FALSE(in_the_way.has_value());
  EXPECT_THAT(in_the_way.error().message, HasSubstr("is in the way"));
  EXPECT_TRUE(std::filesystem::exists(paths_.socket()));

  const auto too_long = WorkerHub::start({folder_ / std::string(100, 'x')}, *scoreboard_, {});
  ASSERT_FALSE(too_long.has_value());
  EXPECT_THAT(too_long.error().message, HasSubstr("choose a shorter state_dir"));
}

TEST_F(WorkerHubTest, GarbageEndsThatConnectionAndNoOther) {
  start_hub();
  const auto good = worker();
  const auto bad = worker();
  ASSERT_TRUE(sees_connected(2));
  bad->send(control::Commit{7});
  EXPECT_TRUE(bad->is_disconnected_by_agent());

  for (const std::string& packet :
       {std::string("{"), std::string("\0\xff\xfe", 3), std::string(control::kMaxMessageBytes + 1, ' '),
        control::to_json(control::Message(control::Staged{1})),                    // without hello
        control::to_json(control::Message(control::Hello{1, 1, 0, 0, "", 0}))}) {  // of process 1
    const UniqueFd socket = connect_to(paths_.socket());
    ASSERT_EQ(::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
    const auto answer = control::receive_message(socket.get());
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  }
  EXPECT_TRUE(good->is_connected());
  bad->die();
  put_in_force(7);
  EXPECT_EQ(good->serving(), 7U);
}

TEST_F(WorkerHubTest, HelloIsSaidOnceAndNamesASlotThatExists) {
  start_hub();
  const auto twice = worker();
  twice->send(control::Hello{1, ::getpid(), twice->slot(), 0, "test", 0});
  EXPECT_TRUE(twice->is_disconnected_by_agent());
  const UniqueFd socket = connect_to(paths_.socket());
  ASSERT_TRUE(control::send_message(socket.get(), control::Hello{1, ::getpid(), control::kMaxWorkers, 0, "", 0}));
  EXPECT_FALSE(control::receive_message(socket.get()).has_value());
}

TEST_F(WorkerHubTest, AStrangerWithoutASlotIsRefusedAndAnOwnerOfOneIsNot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  constexpr uid_t kNobody = 65534;
  const auto says_hello_as_nobody = [&](bool claim) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::uint32_t slot = 5;
      if (claim) slot = scoreboard_->claim(::getpid(), ::getppid()).value();
      while (::access(paths_.socket().c_str(), F_OK) != 0) ::usleep(1000);
      if (::setgid(0) != 0 || ::setuid(kNobody) != 0) ::_exit(9);
      UniqueFd socket;
      while (!(socket = connect_to(paths_.socket()))) ::usleep(1000);
      (void)control::send_message(socket.get(), control::Hello{1, ::getpid(), slot, 0, "test", 0});
      ::_exit(control::receive_message(socket.get()) ? 0 : 1);
    }
    return child;
  };
  const pid_t owner = says_hello_as_nobody(true);
  const pid_t stranger = says_hello_as_nobody(false);
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  start_hub();
  hub_->set_target(document(7));
  int status = 0;
  ASSERT_EQ(::waitpid(stranger, &status, 0), stranger);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ASSERT_EQ(::waitpid(owner, &status, 0), owner);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(WorkerHubTest, AWorkerThatReadsNothingHoldsNobodyUp) {
  start_hub();
  const auto good = worker();
  const auto slot = scoreboard_->claim(::getpid(), 1);
  const UniqueFd deaf = connect_to(paths_.socket());
  ASSERT_TRUE(control::send_message(deaf.get(), control::Hello{1, ::getpid(), *slot, 0, "test", 0}));
  ASSERT_TRUE(sees_connected(2));
  for (std::uint64_t generation = 1; generation <= 200; ++generation) {
    control::InForce in_force = document(generation);
    for (int i = 0; i < 50; ++i) {
      in_force.slots[0].versions.push_back(in_force.slots[0].versions[0]);
      in_force.slots[0].versions.back().id = generation + 1000 + static_cast<std::uint64_t>(i);
    }
    hub_->stage(in_force, std::chrono::milliseconds(0));
    ASSERT_TRUE(good->hears("stage " + std::to_string(generation)));
    hub_->abort(generation);
  }
  // Disconnected when too much lay unread; its process still lives, so it would be waited for.
  EXPECT_TRUE(sees_connected(1));
  scoreboard_->release(*slot);
  put_in_force(300);
  EXPECT_EQ(good->serving(), 300U);
}

TEST_F(WorkerHubTest, ManyConnectionsAreServedAndTooManyRefused) {
  start_hub();
  std::vector<std::unique_ptr<FakeWorker>> workers;
  for (std::size_t i = 0; i < control::kMaxWorkers; ++i) workers.push_back(worker());
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 72; ++i) idle.push_back(connect_to(paths_.socket()));  // 200 in all
  put_in_force(7);
  for (const auto& w : workers) EXPECT_EQ(w->serving(), 7U);

  for (int i = 0; i < 200; ++i) idle.push_back(connect_to(paths_.socket()));
  const auto refused = control::receive_message(idle.back().get());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "connection closed");
  put_in_force(8);
  for (const auto& w : workers) EXPECT_EQ(w->serving(), 8U);
}

TEST_F(WorkerHubTest, EventsReachTheSinkWithTheirWorker) {
  start_hub();
  const auto w = worker();
  control::Event event;
  event.uri = "/admin";
  event.module = "universal-waf";
  event.kind = "block";
  w->send(control::Events{{event, event}});
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(events_mutex_);
    return events_.size() == 2;
  }));
  const std::lock_guard lock(events_mutex_);
  EXPECT_EQ(events_[0].first, ::getpid());
  EXPECT_EQ(events_[0].second.uri, "/admin");
}

// A process of another user than this one, that lives as long as the object.
class Stranger {
 public:
  Stranger() {
    if (::geteuid() != 0) return;
    pid_ = ::fork();
    if (pid_ != 0) return;
    constexpr uid_t kNobody = 65534;
    if (::setuid(kNobody) != 0) ::_exit(1);
    for (;;) ::pause();
  }
  ~Stranger() {
    if (pid_ <= 1) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 1;  // root's, for whoever is not root
};

TEST_F(WorkerHubTest, APidInASlotMakesNoWorkerOfAnotherUsersProcess) {
  const Stranger stranger;
  start_hub();
  if (::geteuid() != 0 && user_of(stranger.pid()) == ::geteuid()) GTEST_SKIP() << "this user has all processes";
  ASSERT_TRUE(eventually([&] { return user_of(stranger.pid()) != ::geteuid(); }));
  ASSERT_TRUE(scoreboard_->claim(stranger.pid(), 1));
  EXPECT_EQ(hub_->workers().size(), 1U) << "while nobody has connected, nobody can tell";
  const auto good = worker();
  ASSERT_TRUE(sees_connected(1));
  EXPECT_EQ(hub_->workers().size(), 1U);
  put_in_force(7);  // waits for nobody else
  EXPECT_EQ(hub_->commit(7, kPatience).workers, 1U);
}

TEST_F(WorkerHubTest, AWorkerThatIsNotConnectedCountsBesideOneThatIs) {
  start_hub();
  const FakeWorker silent(*scoreboard_, paths_);
  const auto good = worker();
  ASSERT_TRUE(sees_connected(1));
  EXPECT_EQ(hub_->workers().size(), 2U);
  EXPECT_EQ(hub_->stage(document(7), kShort).failures.size(), 1U);
}

TEST(UserOf, IsTheProcessOwnAndNobodysOfNoProcess) {
  EXPECT_EQ(user_of(::getpid()), ::geteuid());
  EXPECT_EQ(user_of(-1), std::nullopt);
}

}  // namespace
}  // namespace secbeat::agent
