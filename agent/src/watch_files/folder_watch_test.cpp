// inotify on real folders. Events of this process's own calls are there when the call returns: nothing is waited for.
#include "folder_watch.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>

#include "files_test_support.hpp"

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

class FolderWatchTest : public testing::FilesTest {
 protected:
  FolderWatchTest() : watch_(FolderWatch::open().value()) {}
  void follow(const fs::path& file) {
    const auto entries = entries_on_the_way(file);
    watch_.follow({entries.begin(), entries.end()});
  }
  bool heard() {
    pollfd wanted{watch_.fd(), POLLIN, 0};
    const bool any = ::poll(&wanted, 1, 0) == 1;
    watch_.drain();
    return any;
  }
  FolderWatch watch_;
};

TEST_F(FolderWatchTest, FindsEveryEntryThatDecidesWhatAPathIs) {
  EXPECT_THAT(entries_on_the_way(folder_ / "a.wasm"), ElementsAre(folder_ / "a.wasm"));
  fs::create_directories(folder_ / "releases" / "1");
  fs::create_directory_symlink("releases/1", folder_ / "current");
  fs::create_symlink("current/b.wasm", folder_ / "b.wasm");
  EXPECT_THAT(entries_on_the_way(folder_ / "b.wasm"),
              UnorderedElementsAre(folder_ / "b.wasm", folder_ / "current" / "b.wasm", folder_ / "current"));
  fs::create_symlink("loop", folder_ / "loop");
  EXPECT_LE(entries_on_the_way(folder_ / "loop").size(), 40U);
}

TEST_F(FolderWatchTest, HearsRenamesWritesAndLinksThatAreSwapped) {
  fs::create_directories(folder_ / "1");
  fs::create_directory_symlink("1", folder_ / "data");
  fs::create_symlink("data/a", folder_ / "a");
  follow(folder_ / "a");
  EXPECT_FALSE(heard());
  replace("1/a", "x");
  EXPECT_TRUE(heard());
  write_in_place("1/a", "y");
  EXPECT_TRUE(heard());
  fs::remove(folder_ / "data");
  EXPECT_TRUE(heard());
}

TEST_F(FolderWatchTest, KnowsWhileSomebodyWrites) {
  const fs::path file = folder_ / "a";
  follow(file);
  {
    const UniqueFd writer(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(writer.get(), "x", 1), 1);
    EXPECT_TRUE(heard());
    EXPECT_TRUE(watch_.being_written(file));
    EXPECT_FALSE(watch_.being_written(folder_ / "b"));
  }
  EXPECT_TRUE(heard());
  EXPECT_FALSE(watch_.being_written(file));
}

TEST_F(FolderWatchTest, FollowsAFolderThatIsMadeAnew) {
  const fs::path file = folder_ / "rules" / "a";
  follow(file);  // it is not there yet
  fs::create_directories(folder_ / "rules");
  follow(file);
  fs::rename(folder_ / "rules", folder_ / "old");
  fs::create_directories(folder_ / "rules");
  follow(file);
  heard();
  write_in_place("old/a", "x");
  EXPECT_FALSE(heard()) << "the old folder is no longer of interest";
  write_in_place("rules/a", "x");
  EXPECT_TRUE(heard());
}

}  // namespace
}  // namespace secbeat::agent
