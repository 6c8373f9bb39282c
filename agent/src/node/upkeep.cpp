#include "upkeep.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <exception>

namespace secbeat::agent {
namespace {

// A worker that starts in between and misses something tries again for longer than this.
constexpr std::chrono::seconds kEvery{5};

}  // namespace

Upkeep::Upkeep(Reloader& reloader)
    : thread_([this, &reloader](const std::stop_token& ending) {
        std::unique_lock lock(mutex_);
        // True only where a condition holds that never does: it waits out the time, or ends.
        while (!woken_.wait_for(lock, ending, kEvery, [] { return false; }) && !ending.stop_requested()) {
          try {
            reloader.mend();
          } catch (const std::exception& error) {  // tried again at the next look
            spdlog::error("artifacts could not be looked at: {}", error.what());
          }
        }
      }) {}

}  // namespace secbeat::agent
