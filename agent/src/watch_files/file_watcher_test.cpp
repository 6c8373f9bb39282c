// The thread, in both ways of noticing: real files, real time, nothing waited for but what must come.
#include "secbeat/agent/file_watcher.hpp"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <thread>

#include "files_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::wasm;
using namespace std::chrono_literals;

class FileWatcherTest : public testing::FilesTest, public ::testing::WithParamInterface<FileWatch> {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    name_module();
    config_.file_watch = GetParam();
    // With inotify nothing but an event makes it look within the test's patience.
    config_.file_poll = GetParam() == FileWatch::kPoll ? 100ms : 600000ms;
    config_.file_settle = 50ms;
    watcher_ = FileWatcher::create(config_, clock_);
  }
  bool await_uploads(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (reloader_.uploads().size() < count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  RealClock clock_;
  std::unique_ptr<FileWatcher> watcher_;
};

TEST_P(FileWatcherTest, NoticesEachWayInWhichAFileChanges) {
  ASSERT_TRUE(watcher_->start(reloader_));
  replace("waf.wasm", wasm("second"));
  ASSERT_TRUE(await_uploads(1));
  write_in_place("waf.wasm", wasm("third"));
  ASSERT_TRUE(await_uploads(2));
  std::filesystem::remove(folder_ / "waf.wasm");
  write_in_place("waf.wasm", wasm("fourth"));
  ASSERT_TRUE(await_uploads(3));
  watcher_->stop();
  EXPECT_EQ(reloader_.uploads()[2].file, wasm("fourth"));
}

TEST_P(FileWatcherTest, NoticesWhatChangedBeforeItStarted) {
  replace("waf.wasm", wasm("second"));
  ASSERT_TRUE(watcher_->start(reloader_));
  EXPECT_TRUE(await_uploads(1));
}

TEST_P(FileWatcherTest, StopsWhileNothingHappens) {
  ASSERT_TRUE(watcher_->start(reloader_));
  watcher_->stop();
  watcher_->stop();
  EXPECT_TRUE(reloader_.uploads().empty());
}

INSTANTIATE_TEST_SUITE_P(Ways, FileWatcherTest, ::testing::Values(FileWatch::kAuto, FileWatch::kPoll),
                         [](const auto& way) { return way.param == FileWatch::kAuto ? "inotify" : "polling"; });

}  // namespace
}  // namespace secbeat::agent
