// Ends connections whose client may still be sending when it has its answer.
//
// Closing a socket with unread bytes resets the connection, and the client may lose the answer that says why
// its upload was refused. So what still comes is read and thrown away for a while, within bounds.
//
// Thread safety: take() from any thread; construction and destruction from one.
#pragma once

#include <mutex>
#include <thread>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::http {

class Lingerer {
 public:
  Lingerer();
  ~Lingerer();
  Lingerer(const Lingerer&) = delete;
  Lingerer& operator=(const Lingerer&) = delete;

  // A duplicate of the connection's descriptor: the HTTP library closes its own. Above a bound it is
  // closed at once.
  void take(UniqueFd connection);

 private:
  struct Connection {
    UniqueFd fd;
    SteadyTime until;
    std::size_t thrown_away = 0;
  };

  void run();
  static bool drain(Connection& connection);

  UniqueFd wake_;  // an eventfd
  std::mutex mutex_;
  std::vector<Connection> arrived_;  // guarded by mutex_
  std::size_t held_ = 0;             // guarded by mutex_
  bool stopped_ = false;             // guarded by mutex_
  std::thread thread_;
};

}  // namespace secbeat::http
