// The signals that steer a program that serves until it is told to end.
//
// Thread safety: construction before any other thread, which inherits what is blocked; wait() from one thread at a
// time.
#pragma once

#include <chrono>
#include <csignal>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::service {

// They come by descriptor: SIGTERM, SIGINT, SIGHUP, SIGUSR2. SIGPIPE and SIGXFSZ are ignored.
class Signals {
 public:
  Signals();
  // The next one within `timeout`; 0: none. milliseconds(-1): without end.
  [[nodiscard]] int wait(std::chrono::milliseconds timeout) const;
  // A second Ctrl-C ends the process as it does any other.
  void let_go() const;

 private:
  sigset_t set_{};
  UniqueFd fd_;
};

}  // namespace secbeat::service
