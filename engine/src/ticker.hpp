// Ticks an engine every millisecond while it lives: for rehearsals, tests and benchmarks. A worker has its own,
// which sleeps while nothing runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "secbeat/base/scheduling.hpp"
#include "secbeat/engine/engine.hpp"

namespace secbeat::engine {

// Thread safety: one owner; its thread only ticks.
class Ticker {
 public:
  // REQUIRES: `engine` outlives the ticker.
  explicit Ticker(Engine& engine) : thread_([this, &engine](const std::stop_token& stop) { run(engine, stop); }) {}
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void run(Engine& engine, const std::stop_token& stop) {
    wake_on_time();
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, std::chrono::milliseconds(1), [] { return false; }) && !stop.stop_requested()) {
      engine.tick();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it uses the members above
};

}  // namespace secbeat::engine
