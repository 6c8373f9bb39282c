// SecBeat inside one nginx worker process: the Worker, the event by which it wakes the loop, and the memory that
// inspections share.
//
// Thread safety: owned by the event loop.
#pragma once

#include <memory>
#include <string_view>

#include "ngx_cxx.hpp"
#include "request_reader.hpp"
#include "secbeat/worker/worker.hpp"

namespace secbeat::nginx {

class Runtime {
 public:
  // Null, with the reason in the cycle's log, where the worker does not start: requests then pass uninspected.
  static std::unique_ptr<Runtime> start(ngx_cycle_t* cycle, std::string_view state_dir);
  // Ends the worker's threads.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] worker::Worker& worker() noexcept { return *worker_; }
  [[nodiscard]] RequestReader& reader() noexcept { return reader_; }

 private:
  explicit Runtime(std::unique_ptr<worker::Worker> worker) : worker_(std::move(worker)) {}

  bool watch(ngx_cycle_t* cycle);
  static void on_wake(ngx_event_t* event);

  std::unique_ptr<worker::Worker> worker_;
  RequestReader reader_;
  ngx_connection_t* wake_ = nullptr;
};

}  // namespace secbeat::nginx
