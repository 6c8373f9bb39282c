// The thread: waits for inotify or for the time at which files are looked at anyway.
#include "secbeat/agent/file_watcher.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>

#include "file_reloads.hpp"
#include "folder_watch.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::milliseconds;

// A folder in which much happens makes no more looks than this.
constexpr milliseconds kBetweenLooks{20};

class FileWatcherImpl final : public FileWatcher {
 public:
  FileWatcherImpl(const Config& config, const Clock& clock)
      : config_(config), clock_(clock), reloads_(config, clock), ending_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~FileWatcherImpl() override { stop(); }

  Result<void> start(Reloader& reloader) override {
    if (!ending_) return std::unexpected(io_error("cannot watch files: eventfd"));
    if (config_.file_watch == FileWatch::kAuto) {
      auto folders = FolderWatch::open();
      if (folders) {
        folders_.emplace(*std::move(folders));
      } else {
        spdlog::warn("files are not watched but looked at from time to time: {}", folders.error().message);
      }
    }
    spdlog::info("watching {} files of {} for changes: {} every {} ms", reloads_.files().size(), config_.file.string(),
                 folders_ ? "inotify, and a look" : "a look", config_.file_poll.count());
    thread_ = std::jthread([this, &reloader] { run(reloader); });
    return {};
  }

  void stop() override {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(ending_.get(), &one, sizeof one);
    thread_.join();
  }

 private:
  void run(Reloader& reloader) {
    do {
      std::optional<SteadyTime> due;
      try {
        due = look(reloader);
      } catch (const std::exception& error) {  // tried again at the next look
        spdlog::error("files could not be looked at: {}", error.what());
      }
      looked_at_ = clock_.steady();
      next_ = looked_at_ + config_.file_poll;
      if (due) next_ = std::min(next_, *due);
    } while (wait());
  }

  std::optional<SteadyTime> look(Reloader& reloader) {
    follow();
    return reloads_.look(reloader, [this](const auto& file) { return writer_of(file); });
  }

  // What a path leads to may have changed, so that it is found out before each look.
  void follow() {
    if (!folders_) return;
    std::set<std::filesystem::path> entries;
    for (const std::filesystem::path& file : reloads_.files()) {
      std::ranges::copy(entries_on_the_way(file), std::inserter(entries, entries.end()));
    }
    folders_->follow(entries);
  }

  [[nodiscard]] Writer writer_of(const std::filesystem::path& file) const {
    if (!folders_) return Writer::kNone;
    const auto entries = entries_on_the_way(file);
    const bool at_work = std::ranges::any_of(entries, [&](const auto& e) { return folders_->being_written(e); });
    return at_work ? Writer::kAtWork : Writer::kNone;
  }

  // Until it is time to look; false: the end.
  bool wait() {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(next_ - clock_.steady());
      if (left.count() <= 0) return !ended(milliseconds(0));
      // Events that come just after a look wait a moment, with all that come after them.
      const auto pause = std::chrono::ceil<milliseconds>(looked_at_ + kBetweenLooks - clock_.steady());
      if (pause.count() > 0 && ended(pause)) return false;
      std::array<pollfd, 2> wanted{{{ending_.get(), POLLIN, 0}, {folders_ ? folders_->fd() : -1, POLLIN, 0}}};
      ::poll(wanted.data(), wanted.size(), static_cast<int>(left.count()));
      if (wanted[0].revents != 0) return false;
      if (wanted[1].revents == 0) continue;
      folders_->drain();
      return true;
    }
  }

  [[nodiscard]] bool ended(milliseconds timeout) const {
    pollfd wanted{ending_.get(), POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(timeout.count())) > 0;
  }

  const Config& config_;
  const Clock& clock_;

  // Owned by the thread once it runs.
  FileReloads reloads_;
  std::optional<FolderWatch> folders_;
  SteadyTime looked_at_;
  SteadyTime next_;

  UniqueFd ending_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<FileWatcher> FileWatcher::create(const Config& config, const Clock& clock) {
  return std::make_unique<FileWatcherImpl>(config, clock);
}

}  // namespace secbeat::agent
