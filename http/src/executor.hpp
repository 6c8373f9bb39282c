// A few threads and a bounded queue for calls that take long.
//
// Thread safety: every method may be called from any thread; stop() once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace secbeat::http {

class Executor {
 public:
  Executor(std::size_t threads, std::size_t max_waiting);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // False: the queue is full, or stop() was called; the job is not run then. Jobs must not throw.
  bool submit(std::function<void()> job);
  // Runs what waits to its end and joins the threads.
  void stop();

 private:
  void run();

  const std::size_t max_waiting_;
  std::vector<std::thread> threads_;  // changed by constructor and stop() only

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopped_ = false;                    // guarded by mutex_
};

}  // namespace secbeat::http
