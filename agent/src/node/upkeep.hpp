// What a node looks after from time to time while it serves.
//
// Thread safety: made and destroyed by one thread; works on a thread of its own.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "secbeat/agent/reloader.hpp"

namespace secbeat::agent {

class Upkeep {
 public:
  // `reloader` outlives it.
  explicit Upkeep(Reloader& reloader);
  // Waits for what is under way, which a reloader that shuts down ends.
  ~Upkeep() = default;
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;
};

}  // namespace secbeat::agent
