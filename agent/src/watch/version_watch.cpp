// The thread that looks.
#include "secbeat/agent/version_watch.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "watch_book.hpp"

namespace secbeat::agent {
namespace {

// A storm of errors has to be over within a second of its first error, rollback included.
constexpr std::chrono::milliseconds kWhileWatching{50};
// How late a swap may be noticed; for the rest of the time the baseline is all that there is to note.
constexpr std::chrono::milliseconds kOtherwise{200};

class VersionWatchImpl final : public VersionWatch {
 public:
  VersionWatchImpl(const Config& config, const control::Scoreboard& scoreboard, Reloader& reloader, const Clock& clock)
      : book_(config, scoreboard, reloader, clock), thread_([this](const std::stop_token& ending) { run(ending); }) {}

  [[nodiscard]] std::optional<WatchView> view(std::string_view module) override { return book_.view(module); }
  Result<WatchView> end(std::string_view module, const Origin& origin) override { return book_.end(module, origin); }
  [[nodiscard]] std::vector<std::string> running() const override { return book_.running(); }
  [[nodiscard]] std::vector<AutoRollbacks> rollbacks() const override { return book_.rollbacks(); }
  void stop() override {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const std::stop_token& ending) {
    std::unique_lock lock(mutex_);
    while (!ending.stop_requested()) {
      try {
        book_.look();
      } catch (const std::exception& error) {  // tried again at the next look
        spdlog::error("the watch could not look: {}", error.what());
      }
      woken_.wait_for(lock, ending, book_.running().empty() ? kOtherwise : kWhileWatching, [] { return false; });
    }
  }

  WatchBook book_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace

std::unique_ptr<VersionWatch> VersionWatch::start(const Config& config, const control::Scoreboard& scoreboard,
                                                  Reloader& reloader, const Clock& clock) {
  return std::make_unique<VersionWatchImpl>(config, scoreboard, reloader, clock);
}

}  // namespace secbeat::agent
