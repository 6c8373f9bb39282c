#include "node_api/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace secbeat::cli {
namespace {

// Most calls have ended before the first look.
constexpr std::chrono::milliseconds kBetweenLooks{150};
// What a terminal shows of it in one line, whatever the module is called.
constexpr std::size_t kWidestLine = 78;

struct StageText {
  std::string_view stage;
  std::string_view text;
};
constexpr std::array kStages = {
    StageText{"check", "validating, compiling and rehearsing"},
    StageText{"stage", "loading it in every worker"},
    StageText{"swap", "swapping"},
};

bool shows_lines() {
  const char* terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  return ::isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

// Thread safety: made and destroyed by one thread; its own thread looks and prints.
class Watcher {
 public:
  explicit Watcher(const Client& client) : client_(client), thread_([this] { watch(); }) {}
  ~Watcher() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (shown_) fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kBetweenLooks, [this] { return ended_; })) {
      lock.unlock();
      const bool goes_on = look();
      lock.lock();
      if (!goes_on) return;
    }
  }

  // False: this node does not tell.
  bool look() {
    const auto reply = client_.get("/api/v1/wasm/operation", Patience::kGlance);
    if (!reply || reply->status != 200) return false;
    const auto answer = parse_answer(reply->body);
    if (!answer) return false;
    const std::string line = progress_line(*answer, client_.request_id());
    if (line.empty()) return true;
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
    shown_ = true;
    return true;
  }

  const Client& client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;  // guarded by mutex_
  bool shown_ = false;  // the thread's while it runs
  std::thread thread_;
};

}  // namespace

Result<Reply> with_progress(const Client& client, const std::function<Result<Reply>()>& call) {
  if (!shows_lines()) return call();
  const Watcher watcher(client);
  return call();
}

std::string progress_line(const Json& answer, std::string_view request_id) {
  const auto operation = answer.find("operation");
  if (operation == answer.end() || !operation->is_object()) return {};
  const auto elapsed = operation->find("elapsed_ms");
  if (elapsed == operation->end() || !elapsed->is_number()) return {};
  const double seconds = elapsed->get<double>() / 1000;
  const std::string what =
      fmt::format("{} of {}", clean(text_of(*operation, "kind")), clean(text_of(*operation, "name")));
  if (text_of(*operation, "request_id") != request_id) {
    return shortened(fmt::format("waiting: another {} is under way, {:.1f} s", what, seconds), kWidestLine);
  }
  const std::string stage = text_of(*operation, "stage");
  const auto* const known = std::ranges::find(kStages, stage, &StageText::stage);
  return shortened(
      fmt::format("{}: {}, {:.1f} s", what, known == kStages.end() ? clean(stage) : std::string(known->text), seconds),
      kWidestLine);
}

}  // namespace secbeat::cli
