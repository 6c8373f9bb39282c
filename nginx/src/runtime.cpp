#include "runtime.hpp"

#include <string>
#include <utility>

#include "secbeat/base/build_id.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::nginx {

std::unique_ptr<Runtime> Runtime::start(ngx_cycle_t* cycle, std::string_view state_dir) {
  worker::Worker::Options options;
  options.state_dir = state_dir;
  options.pid = ngx_pid;
  options.parent_pid = ngx_parent;
  options.build = build_id();
  options.log = [cycle](std::string_view message) {
    std::string line = harmless(message);  // a guest may have had its say in it
    ngx_str_t text = {line.size(), reinterpret_cast<u_char*>(line.data())};
    ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "secbeat: %V", &text);
  };
  auto worker = worker::Worker::start(std::move(options));
  if (!worker) {
    ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "secbeat: requests pass without inspection: %s",
                  worker.error().message.c_str());
    return nullptr;
  }
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(*worker)));
  if (!runtime->watch(cycle)) {
    ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                  "secbeat: no connection is free for the wake-up event: raise worker_connections; requests pass "
                  "without inspection");
    return nullptr;
  }
  return runtime;
}

Runtime::~Runtime() {
  if (wake_ != nullptr) {
    // The descriptor is the worker's: only the event and the connection are given back.
    if (wake_->read->active) ngx_del_event(wake_->read, NGX_READ_EVENT, 0);
    ngx_free_connection(wake_);
    wake_->fd = static_cast<ngx_socket_t>(-1);
  }
  worker_->stop();
}

// The connection has no timer, is not idle and not reusable. So it neither keeps a worker alive that is shutting
// down, nor is it closed with the idle ones: a draining worker goes on swapping until it exits.
bool Runtime::watch(ngx_cycle_t* cycle) {
  wake_ = ngx_get_connection(worker_->wake_fd(), cycle->log);
  if (wake_ == nullptr) return false;
  wake_->data = this;
  wake_->read->handler = &Runtime::on_wake;
  wake_->read->log = cycle->log;
  wake_->write->log = cycle->log;
  return ngx_add_event(wake_->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) == NGX_OK;
}

void Runtime::on_wake(ngx_event_t* event) {
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  static_cast<Runtime*>(connection->data)->worker_->on_wake();
}

}  // namespace secbeat::nginx
