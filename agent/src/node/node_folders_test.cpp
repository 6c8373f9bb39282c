// The node's folders and lock: who may hold them, and what is said where workers cannot reach them.
#include "node_folders.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "node_lock.hpp"
#include "node_permissions.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NodeFolders : public ::testing::Test {
 protected:
  NodeFolders() {
    std::string pattern = fs::temp_directory_path() / "secbeat-folders-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    ::chmod(root_.c_str(), 0755);
    config_.data_dir = root_ / "data";
    config_.state_dir = root_ / "state";
    config_.worker_user = "nobody";
  }
  ~NodeFolders() override {
    std::error_code ignored;
    fs::permissions(root_, fs::perms::owner_all, ignored);
    fs::remove_all(root_, ignored);
  }

  // What hub, scoreboard and reloader leave in the folders, as the workers' user may use it.
  void furnish() {
    ASSERT_TRUE(make_folders(config_));
    ASSERT_TRUE(tend_permissions(config_, find_worker_identity(config_).value()));
    ASSERT_TRUE(link_data(config_));
    const control::StatePaths state{config_.state_dir};
    for (const auto& folder :
         {config_.data_dir / "artifacts", config_.data_dir / "configs", state.scoreboard().parent_path()}) {
      fs::create_directories(folder);
    }
    for (const auto& file : {state.socket(), state.scoreboard(), config_.data_dir / "in_force.json"}) {
      std::ofstream(file) << "x";
      fs::permissions(file, fs::perms(0666));
    }
  }

  std::string reach() {
    const auto identity = find_worker_identity(config_);
    if (!identity) return identity.error().message;
    const auto reached = check_reach(config_, *identity);
    return reached ? "reached" : reached.error().message;
  }

  fs::path root_;
  Config config_;
};

TEST_F(NodeFolders, AreMadeWithTheLinkFromStateToData) {
  ASSERT_TRUE(make_folders(config_));
  ASSERT_TRUE(link_data(config_));
  EXPECT_EQ(fs::read_symlink(config_.state_dir / "data"), config_.data_dir);
  EXPECT_TRUE(fs::is_directory(config_.data_dir / "nginx" / "temporary"));
  ASSERT_TRUE(make_folders(config_)) << "they may be there already";
  ASSERT_TRUE(link_data(config_));
}

TEST_F(NodeFolders, TurnTheLinkWhenTheDataMoved) {
  ASSERT_TRUE(make_folders(config_));
  ASSERT_TRUE(link_data(config_));
  config_.data_dir = root_ / "elsewhere";
  ASSERT_TRUE(link_data(config_));
  EXPECT_EQ(fs::read_symlink(config_.state_dir / "data"), config_.data_dir);
}

TEST_F(NodeFolders, RefuseAFolderInThePlaceOfTheLink) {
  fs::create_directories(config_.state_dir / "data");
  const auto made = link_data(config_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, AllOf(HasSubstr((config_.state_dir / "data").string()), HasSubstr("in the way")));
}

TEST_F(NodeFolders, RefuseAStateFolderThatEverybodyCanWrite) {
  fs::create_directories(config_.state_dir);
  ::chmod(config_.state_dir.c_str(), 01777);
  const auto made = make_folders(config_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("can be written by everybody"));
}

TEST_F(NodeFolders, RefuseAStateFolderOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a folder away";
  fs::create_directories(config_.state_dir);
  ASSERT_EQ(::chown(config_.state_dir.c_str(), ::getpwnam("nobody")->pw_uid, static_cast<gid_t>(-1)), 0);
  const auto made = make_folders(config_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("belongs to another user"));
}

TEST_F(NodeFolders, NameTheFolderThatCannotBeMade) {
  std::ofstream(root_ / "file") << "x";
  config_.data_dir = root_ / "file" / "data";
  const auto made = make_folders(config_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, AllOf(HasSubstr(config_.data_dir.string()), HasSubstr("data_dir")));
}

TEST_F(NodeFolders, NameTheFolderThatWorkersCannotPass) {
  if (::geteuid() != 0) GTEST_SKIP() << "workers run as this user";
  furnish();
  EXPECT_EQ(reach(), "reached");
  ::chmod(root_.c_str(), 0700);
  EXPECT_THAT(reach(), AllOf(HasSubstr("run as nobody"), HasSubstr("cannot pass the folder " + root_.string() + ":")));
}

TEST_F(NodeFolders, NameTheFileThatWorkersCannotUse) {
  if (::geteuid() != 0) GTEST_SKIP() << "workers run as this user";
  furnish();
  const control::StatePaths state{config_.state_dir};
  ::chmod(state.scoreboard().c_str(), 0640);
  EXPECT_THAT(reach(), HasSubstr("cannot use " + state.scoreboard().string()));
  ::chmod(state.scoreboard().c_str(), 0666);
  ::chmod((config_.data_dir / "artifacts").c_str(), 0700);
  EXPECT_THAT(reach(), HasSubstr("cannot pass the folder " + (config_.data_dir / "artifacts").string()));
}

TEST_F(NodeFolders, NameAUserThatDoesNotExist) {
  if (::geteuid() != 0) GTEST_SKIP() << "the user is not looked up";
  config_.worker_user = "no-such-user";
  EXPECT_THAT(reach(), HasSubstr("there is no user no-such-user"));
}

TEST_F(NodeFolders, AreHeldByOneProcessWhosePidTheNextIsTold) {
  ASSERT_TRUE(make_folders(config_));
  const auto first = FolderLock::take(config_.data_dir, "data_dir");
  ASSERT_TRUE(first) << first.error().message;
  const auto second = FolderLock::take(config_.data_dir, "data_dir");  // another open file: as another process would
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConfig);
  EXPECT_THAT(second.error().message, HasSubstr("([node] data_dir) is held by process " + std::to_string(::getpid())));
}

TEST_F(NodeFolders, AreFreeAgainWhenTheirHolderIsGoneAlsoWhereItsChildrenLive) {
  ASSERT_TRUE(make_folders(config_));
  std::array<int, 2> to_child{};
  std::array<int, 2> from_child{};
  ASSERT_EQ(::pipe2(to_child.data(), O_CLOEXEC) + ::pipe2(from_child.data(), O_CLOEXEC), 0);
  pid_t child = -1;
  {
    const auto lock = FolderLock::take(config_.data_dir, "data_dir");
    ASSERT_TRUE(lock);
    child = ::fork();
    if (child == 0) {
      ::dup2(to_child[0], STDIN_FILENO);
      ::dup2(from_child[1], STDOUT_FILENO);
      ::execl("/bin/cat", "cat", static_cast<char*>(nullptr));
      ::_exit(1);
    }
    char answer = 0;  // from cat: it has been executed
    ASSERT_EQ(::write(to_child[1], "x", 1), 1);
    ASSERT_EQ(::read(from_child[0], &answer, 1), 1);
  }
  EXPECT_TRUE(FolderLock::take(config_.data_dir, "data_dir"));
  for (const int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(fd);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
}

}  // namespace
}  // namespace secbeat::agent
