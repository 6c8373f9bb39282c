// The thread that looks.
#include "secbeat/agent/break_glass.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "glass_book.hpp"

namespace secbeat::agent {
namespace {

// How late the end of a bypass is told, and what the command line did while the agent hung.
constexpr std::chrono::milliseconds kEvery{200};

class BreakGlassImpl final : public BreakGlass {
 public:
  BreakGlassImpl(const Config& config, control::Scoreboard& scoreboard, const WorkerHub& hub, Reloader& reloader,
                 const Clock& clock)
      : book_(config, scoreboard, hub, reloader, clock),
        thread_([this](const std::stop_token& ending) { run(ending); }) {}

  GlassResult freeze(const GlassDemand& demand) override { return book_.freeze(demand); }
  GlassResult unfreeze(const GlassDemand& demand) override { return book_.unfreeze(demand); }
  GlassResult bypass(const GlassDemand& demand) override { return book_.bypass(demand); }
  GlassResult end_bypass(const GlassDemand& demand) override { return book_.end_bypass(demand); }
  [[nodiscard]] BreakGlassView view() const override { return book_.view(); }
  std::vector<DrillFinding> drill() override { return book_.drill(); }
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
        spdlog::error("break-glass could not be looked after: {}", error.what());
      }
      woken_.wait_for(lock, ending, kEvery, [] { return false; });
    }
  }

  GlassBook book_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace

std::unique_ptr<BreakGlass> BreakGlass::start(const Config& config, control::Scoreboard& scoreboard,
                                              const WorkerHub& hub, Reloader& reloader, const Clock& clock) {
  return std::make_unique<BreakGlassImpl>(config, scoreboard, hub, reloader, clock);
}

}  // namespace secbeat::agent
