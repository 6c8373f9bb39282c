// Starts nginx with a generated configuration, watches it, restarts it when it dies, stops it gracefully.
//
// After a restart of the agent the nginx that the predecessor left running is adopted, known by the folder it
// runs in and held by pidfd: it is not a child, and traffic goes on. Its logs never run through the agent.
//
// The supervisor holds a duplicate of the listening socket. Where a master is killed, its workers serve on; the
// next master takes over the same socket, then the orphans are asked to finish: no connection is refused.
//
// Thread safety: start, stop and destruction from one thread; the rest from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "secbeat/agent/config.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

struct NginxStatus {
  std::int32_t master_pid = 0;  // 0: not running now
  std::uint64_t restarts = 0;   // by the supervisor, since the agent started
  std::string version;          // "1.22.1"
  Listen listen;                // with the port that was found where the configuration says 0
  bool adopted = false;         // runs since before this agent
};

class Supervisor {
 public:
  // Finds nginx and the module (relative to this binary, installed or in a build tree), writes the
  // configuration, tests it (nginx -t) and starts or adopts the master. The errors say what is missing
  // and how to get it; a port in use is told with its owner.
  static Result<std::unique_ptr<Supervisor>> start(const Config& config);
  // Without stop() before: nginx goes on without us.
  virtual ~Supervisor() = default;

  // SIGQUIT, waits up to `grace` for connections to end, then SIGTERM.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  // Has nginx open its log files again, after they were moved away.
  virtual void reopen_logs() = 0;
  [[nodiscard]] virtual NginxStatus status() const = 0;
};

// The configuration that start() writes; also what an operator can read to see what we do.
std::string generate_nginx_config(const Config& config, const std::filesystem::path& nginx_module);

}  // namespace secbeat::agent
