// The API on libmicrohttpd. Four of its threads serve connections with epoll; a request comes in three steps:
//
//   head      its headers have come: what they decide is refused at once, before a byte of the body is read
//   body      gathered, within the route's limit; over it the connection is answered and closed
//   complete  a quick call is answered on the spot; a long one is suspended and worked on by an executor, whose
//             thread resumes the connection when the answer is there
//
// Every suspended connection is resumed before the library is stopped, as it demands.
#include "secbeat/http/server.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <condition_variable>
#include <cstdarg>
#include <mutex>

#include "connection.hpp"
#include "executor.hpp"
#include "linger.hpp"
#include "listen_socket.hpp"
#include "secbeat/http/access.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/http/tls.hpp"

namespace secbeat::http {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kServerThreads = 4;
constexpr unsigned kMaxConnections = 4096;            // shared out evenly among the threads
constexpr unsigned kIdleSeconds = 30;                 // a client that sends nothing and is owed nothing
constexpr std::size_t kConnectionMemory = 32 * 1024;  // headers have to fit; bodies pass through it
constexpr std::size_t kReadIncrement = 16 * 1024;
// Bodies that are held at one time, over all connections.
constexpr std::size_t kMaxBodiesBytes = std::size_t{256} << 20U;
constexpr std::size_t kWorkThreads = 4;
constexpr std::size_t kRollbackThreads = 2;
constexpr std::size_t kEmergencyThreads = 2;
constexpr std::size_t kMaxWaiting = 64;
constexpr auto kLastAnswers = 5s;  // for clients to take their answers when the server stops

struct Exchange {
  HttpRequest request;
  const Route* route = nullptr;  // null: refused
  std::optional<HttpResponse> response;
  std::size_t held_bytes = 0;  // counted against kMaxBodiesBytes
  bool is_complete = false;    // counted as one that stop() waits for
};

class MhdServer final : public Server {
 public:
  MhdServer(const Settings& settings, const Service& service, const Clock& clock)
      : settings_(settings),
        service_(service),
        clock_(clock),
        access_(service.name, settings.keys),
        work_(kWorkThreads, kMaxWaiting),
        rollbacks_(kRollbackThreads, kMaxWaiting),
        emergencies_(kEmergencyThreads, kMaxWaiting) {}
  ~MhdServer() override { MhdServer::stop(); }

  Result<void> listen(const void* context) override;
  [[nodiscard]] std::uint16_t port() const override { return port_; }
  void stop() override;
  Result<std::string> renew(const Settings& settings) override;
  [[nodiscard]] const Access& access() const override { return access_; }
  [[nodiscard]] const CurrentCertificate& certificate() const override { return certificate_; }

 private:
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url, const char* method,
                               const char* version, const char* data, std::size_t* size, void** state) noexcept;
  static void on_completed(void* self, MHD_Connection* connection, void** state,
                           MHD_RequestTerminationCode how) noexcept;

  static void on_connection(void* self, MHD_Connection* connection, void** state,
                            MHD_ConnectionNotificationCode what) noexcept;

  MHD_Result begin(MHD_Connection* connection, std::unique_ptr<Exchange> exchange, void** state);
  MHD_Result receive(MHD_Connection* connection, Exchange& exchange, std::string_view bytes);
  MHD_Result complete(MHD_Connection* connection, Exchange& exchange);
  void dispatch(MHD_Connection* connection, Exchange& exchange, Executor& executor);
  MHD_Result cut(MHD_Connection* connection, Exchange& exchange, HttpResponse response);
  void log(const Exchange& exchange, MHD_RequestTerminationCode how) const;

  const Settings settings_;
  const Service& service_;
  const Clock& clock_;

  // constant after listen()
  const void* context_ = nullptr;
  MHD_Daemon* daemon_ = nullptr;
  std::uint16_t port_ = 0;

  // safe for any thread
  Access access_;
  CurrentCertificate certificate_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> held_bytes_{0};
  Executor work_;
  Executor rollbacks_;
  Executor emergencies_;
  Lingerer lingerer_;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::size_t complete_ = 0;  // guarded by mutex_: requests that have come whole and are not answered yet
};

// The library reads the texts while it starts.
std::vector<MHD_OptionItem> tls_options(const Certificate& certificate) {
  const auto text = [](const char* value) { return const_cast<char*>(value); };
  return {{MHD_OPTION_HTTPS_MEM_CERT, 0, text(certificate.chain_pem.c_str())},
          {MHD_OPTION_HTTPS_MEM_KEY, 0, text(certificate.key_pem.c_str())},
          {MHD_OPTION_HTTPS_PRIORITIES, 0, text(kTlsPriorities)}};
}

void log_library(void*, const char* format, va_list arguments) {
  std::array<char, 512> line{};
  if (std::vsnprintf(line.data(), line.size(), format, arguments) > 0)
    spdlog::debug("api: {}", shown(line.data(), 400));
}

Result<void> MhdServer::listen(const void* context) {
  context_ = context;
  auto socket = listen_on(settings_.listen);
  if (!socket) return std::unexpected(socket.error());
  port_ = port_of(*socket);
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  std::vector<MHD_OptionItem> tls;
  if (!settings_.tls_certificate.empty()) {
    auto loaded = load_certificate(settings_.tls_certificate, settings_.tls_key);
    if (!loaded) return std::unexpected(loaded.error());
    tls = tls_options(**loaded);
    certificate_.replace(*std::move(loaded));
    flags |= MHD_USE_TLS;
  }
  tls.push_back({MHD_OPTION_END, 0, nullptr});
  daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, &MhdServer::on_request, this,       //
                             MHD_OPTION_ARRAY, tls.data(),                                   //
                             MHD_OPTION_NOTIFY_CONNECTION, &MhdServer::on_connection, this,  //
                             MHD_OPTION_EXTERNAL_LOGGER, &log_library, nullptr,              //
                             MHD_OPTION_LISTEN_SOCKET, socket->get(),                        //
                             MHD_OPTION_NOTIFY_COMPLETED, &MhdServer::on_completed, this,    //
                             MHD_OPTION_THREAD_POOL_SIZE, kServerThreads,                    //
                             MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,                   //
                             MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,                    //
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,          //
                             MHD_OPTION_CONNECTION_MEMORY_INCREMENT, kReadIncrement,         //
                             MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (daemon_ == nullptr) return fail(ErrorCode::kInternal, "the API's HTTP server does not start; see the log");
  static_cast<void>(socket->release());  // stop() closes it
  return {};
}

Result<std::string> MhdServer::renew(const Settings& settings) {
  std::string what = fmt::format("{} keys", settings.keys.size());
  std::shared_ptr<const Certificate> certificate;
  if (settings.tls_certificate.empty() != (certificate_.get() == nullptr)) {
    return fail(ErrorCode::kConfig, "api.tls_certificate: TLS is switched on and off by a restart only");
  }
  if (!settings.tls_certificate.empty()) {
    auto loaded = load_certificate(settings.tls_certificate, settings.tls_key);
    if (!loaded) return std::unexpected(loaded.error());
    certificate = *std::move(loaded);
    what += fmt::format(", and a certificate for {} until {:%Y-%m-%d}", certificate->subject,
                        fmt::gmtime(std::chrono::system_clock::to_time_t(certificate->expires)));
  }
  if (auto replaced = access_.replace(settings.keys); !replaced) return std::unexpected(replaced.error());
  if (certificate) certificate_.replace(std::move(certificate));
  return what;
}

// A connection keeps the certificate that it began with until it is gone.
void MhdServer::on_connection(void* self, MHD_Connection* connection, void** state,
                              MHD_ConnectionNotificationCode what) noexcept {
  using Kept = std::shared_ptr<const Certificate>;
  auto& server = *static_cast<MhdServer*>(self);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    delete static_cast<Kept*>(*state);
    *state = nullptr;
    return;
  }
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  if (info == nullptr || info->tls_session == nullptr) return;
  auto* kept = new (std::nothrow) Kept(server.certificate_.get());
  if (kept == nullptr) return;  // the certificate of the start
  *state = kept;
  CurrentCertificate::use(**kept, static_cast<gnutls_session_int*>(info->tls_session));
}

void MhdServer::stop() {
  if (stopping_.exchange(true) || daemon_ == nullptr) return;
  const UniqueFd socket(MHD_quiesce_daemon(daemon_));
  ::shutdown(socket.get(), SHUT_RDWR);
  work_.stop();
  rollbacks_.stop();
  emergencies_.stop();
  {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, kLastAnswers, [this] { return complete_ == 0; });
  }
  MHD_stop_daemon(daemon_);
  daemon_ = nullptr;
}

MHD_Result MhdServer::on_request(void* self, MHD_Connection* connection, const char* url, const char* method,
                                 const char* /*version*/, const char* data, std::size_t* size, void** state) noexcept {
  auto& server = *static_cast<MhdServer*>(self);
  try {
    if (*state == nullptr) {
      auto exchange = std::make_unique<Exchange>();
      exchange->request = read_head(connection, url, method);
      exchange->request.received = server.clock_.steady();
      return server.begin(connection, std::move(exchange), state);
    }
    auto& exchange = *static_cast<Exchange*>(*state);
    if (*size == 0) return server.complete(connection, exchange);
    const std::string_view bytes(data, *size);
    *size = 0;
    return server.receive(connection, exchange, bytes);
  } catch (const std::exception& error) {
    spdlog::error("api: {}", error.what());
    return MHD_NO;
  }
}

MHD_Result MhdServer::begin(MHD_Connection* connection, std::unique_ptr<Exchange> owned, void** state) {
  Exchange& exchange = *owned;
  *state = owned.release();  // on_completed() deletes it
  const auto route = find_route(service_.routes, exchange.request.method, exchange.request.path);
  auto admission = access_.admit(route ? *route : nullptr, authorization_of(connection), address_of(connection),
                                 exchange.request.received);
  exchange.request.caller = std::move(admission.caller);
  // With TLS, a browser holds the name against the certificate.
  if (!admission.refusal && certificate_.get() == nullptr) {
    admission.refusal = access_.refuse_name(exchange.request.header("host"));
  }
  if (admission.refusal) {
    exchange.response = std::move(admission.refusal);
  } else if (!route) {
    exchange.response = route.error();
  } else if (auto head = check_head(**route, exchange.request, settings_.limits); !head) {
    exchange.response = std::move(head.error());
  } else {
    exchange.route = *route;
    exchange.request.route = *route;
  }
  if (!exchange.response || !announces_body(exchange.request)) return MHD_YES;  // answered when it is complete
  exchange.response->headers.emplace_back("Connection", "close");
  lingerer_.take(duplicate_socket(connection));
  return queue_response(connection, exchange.request, *exchange.response);
}

MHD_Result MhdServer::receive(MHD_Connection* connection, Exchange& exchange, std::string_view bytes) {
  if (exchange.route == nullptr) return MHD_NO;  // a body that no header announced
  std::string& body = exchange.request.body;
  if (bytes.size() > body_limit(*exchange.route, settings_.limits) - body.size()) {
    return cut(connection, exchange, too_large(std::nullopt, *exchange.route, settings_.limits));
  }
  if (exchange.route->body == BodyKind::kUpload) {
    exchange.held_bytes += bytes.size();
    if (held_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed) + bytes.size() > kMaxBodiesBytes) {
      return cut(connection, exchange, busy_response());
    }
  }
  body.append(bytes);
  return MHD_YES;
}

// Answers in the middle of a body. The library queues no answer there, so the bytes go out past it; that it is
// then told to close the connection does the rest.
MHD_Result MhdServer::cut(MHD_Connection* connection, Exchange& exchange, HttpResponse response) {
  exchange.response = std::move(response);
  UniqueFd socket = duplicate_socket(connection);
  send_last_response(connection, socket, exchange.request, *exchange.response);
  lingerer_.take(std::move(socket));
  return MHD_NO;
}

MHD_Result MhdServer::complete(MHD_Connection* connection, Exchange& exchange) {
  if (!exchange.is_complete) {
    exchange.is_complete = true;
    const std::scoped_lock lock(mutex_);
    ++complete_;
  }
  if (!exchange.response && stopping_) exchange.response = stopping_response(service_.name);
  if (!exchange.response) {
    switch (exchange.route->lane) {
      case Lane::kInline:
        exchange.response = answer(*exchange.route, context_, exchange.request);
        break;
      case Lane::kWork:
        dispatch(connection, exchange, work_);
        return MHD_YES;
      case Lane::kRollback:
        dispatch(connection, exchange, rollbacks_);
        return MHD_YES;
      case Lane::kEmergency:
        dispatch(connection, exchange, emergencies_);
        return MHD_YES;
    }
  }
  return queue_response(connection, exchange.request, *exchange.response);
}

// The connection is suspended before a job can resume it. complete() is called again after that.
void MhdServer::dispatch(MHD_Connection* connection, Exchange& exchange, Executor& executor) {
  MHD_suspend_connection(connection);
  const bool accepted = executor.submit([this, connection, &exchange] {
    exchange.response = answer(*exchange.route, context_, exchange.request);
    MHD_resume_connection(connection);
  });
  if (!accepted) {
    exchange.response = stopping_ ? stopping_response(service_.name) : busy_response();
    MHD_resume_connection(connection);
  }
}

void MhdServer::on_completed(void* self, MHD_Connection* /*connection*/, void** state,
                             MHD_RequestTerminationCode how) noexcept {
  auto& server = *static_cast<MhdServer*>(self);
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*state));
  *state = nullptr;
  if (!exchange) return;
  server.held_bytes_.fetch_sub(exchange->held_bytes, std::memory_order_relaxed);
  server.log(*exchange, how);
  if (!exchange->is_complete) return;
  // Under the lock: stop() may destroy the server as soon as it sees the last one gone.
  const std::scoped_lock lock(server.mutex_);
  if (--server.complete_ == 0) server.answered_.notify_all();
}

// Whoever was refused for want of a key or a role is looked for; a flood of calls without keys would fill the log.
spdlog::level::level_enum log_level(const Exchange& exchange) {
  const std::string& path = exchange.request.path;
  const auto code = exchange.response ? exchange.response->code : std::nullopt;
  if (code == ErrorCode::kUnauthorized || code == ErrorCode::kForbidden) return spdlog::level::warn;
  const bool is_flood = code == ErrorCode::kRateLimited && exchange.request.caller.role == Role::kNone;
  const bool is_probe = path == "/healthz" || path == "/readyz" || path == "/metrics";
  return is_flood || is_probe ? spdlog::level::debug : spdlog::level::info;
}

void MhdServer::log(const Exchange& exchange, MHD_RequestTerminationCode how) const {
  const HttpRequest& request = exchange.request;
  const std::chrono::duration<double, std::milli> taken = clock_.steady() - request.received;
  const std::string status = exchange.response ? std::to_string(exchange.response->status) : "no answer";
  const auto or_none = [](const std::string& text) { return text.empty() ? std::string_view("-") : text; };
  const std::string reason = request.reason.empty() ? "" : fmt::format(" reason=\"{}\"", shown(request.reason, 1000));
  spdlog::log(log_level(exchange), "api: {} {} {} {:.1f} ms by={} from={} request_id={}{}{}", shown(request.method),
              shown(request.path, 256), status, taken.count(), or_none(request.caller.name),
              or_none(request.caller.address), request.request_id, reason,
              how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : " (connection ended early)");
}

}  // namespace

Result<void> Server::check_files(const Settings& settings) {
  if (settings.tls_certificate.empty()) return {};
  const auto loaded = load_certificate(settings.tls_certificate, settings.tls_key);
  return loaded ? Result<void>() : std::unexpected(loaded.error());
}

std::unique_ptr<Server> Server::create(const Settings& settings, const Service& service, const Clock& clock) {
  return std::make_unique<MhdServer>(settings, service, clock);
}

}  // namespace secbeat::http
