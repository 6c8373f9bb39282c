// An HTTP API on libmicrohttpd: keys and roles, TLS, limits, graceful stop; what it answers is the service's table.
//
// Thread safety: creation, listen() and destruction from one thread; requests are served by its own threads. A call
// that takes long is suspended and runs on an executor, so that it holds no one up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/http/access.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/http/settings.hpp"
#include "secbeat/http/tls.hpp"

namespace secbeat::http {

class Server {
 public:
  // `service` and `clock` outlive it.
  static std::unique_ptr<Server> create(const Settings& settings, const Service& service, const Clock& clock);
  // Whether the files that the settings name can be used, without a server. kConfig says what is wrong.
  static Result<void> check_files(const Settings& settings);
  virtual ~Server() = default;

  // Answers from now on; `context` is what the service's handlers take, and outlives the server. kConfig with the owner
  // of the port where it is taken.
  virtual Result<void> listen(const void* context) = 0;
  [[nodiscard]] virtual std::uint16_t port() const = 0;  // useful where the settings say 0
  // Takes these keys, which were read again, from the next request on, and the certificate from the next connection on;
  // what it has now, for the log. kConfig: what is in force stays.
  virtual Result<std::string> renew(const Settings& settings) = 0;
  // Answers what is under way and accepts nothing new.
  virtual void stop() = 0;

  [[nodiscard]] virtual const Access& access() const = 0;
  [[nodiscard]] virtual const CurrentCertificate& certificate() const = 0;
};

}  // namespace secbeat::http
