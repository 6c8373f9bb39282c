// The node's HTTP API (docs/api.md) and metrics, on http/.
//
// Thread safety: start and destruction from one thread; requests are served by its own threads. A call that
// takes long (reload, rollback) is suspended and runs on an executor, so that it holds no one up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "secbeat/agent/archive.hpp"
#include "secbeat/agent/break_glass.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/event_log.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_records.hpp"
#include "secbeat/agent/supervisor.hpp"
#include "secbeat/agent/version_watch.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "secbeat/http/access.hpp"
#include "secbeat/http/tls.hpp"

namespace secbeat::agent {

class RuleBook;

// What the API shows; all outlive the server. `supervisor` is null with an external nginx.
struct ApiContext {
  const Config& config;
  Reloader& reloader;
  WorkerHub& hub;
  control::Scoreboard& scoreboard;
  EventLog& events;
  const Supervisor* supervisor;
  const Clock& clock;
  const Archive* archive = nullptr;      // null: there is none
  VersionWatch* watch = nullptr;         // null: nothing is watched
  BreakGlass* glass = nullptr;           // null only in tests
  RuleRecords* records = nullptr;        // null only in tests
  const http::Access* access = nullptr;  // the server's own, which it fills in, as the next
  const http::CurrentCertificate* certificate = nullptr;
  RuleBook* rules = nullptr;
};

class ApiServer {
 public:
  // kConfig with the owner of the port where it is taken.
  static Result<std::unique_ptr<ApiServer>> start(const ApiContext& context);
  // Whether the files that [api] names can be used, without a server. kConfig says what is wrong.
  static Result<void> check_files(const Config& config);
  virtual ~ApiServer() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;  // useful where the configuration says 0
  // Takes the keys of `config`, which was read again, from the next request on, and the certificate from the next
  // connection on; what it has now, for the log. kConfig: what is in force stays.
  virtual Result<std::string> renew(const Config& config) = 0;
  // Answers what is under way and accepts nothing new.
  virtual void stop() = 0;
};

}  // namespace secbeat::agent
