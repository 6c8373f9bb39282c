#include "connection_impl.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "secbeat/fleet/names.hpp"
#include "subscription.hpp"

namespace secbeat::fleet {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kConnectMs = 2000;
// Between two attempts: at least the first, and up to the second more, so that a fleet does not come all at once.
constexpr std::int64_t kReconnectMs = 250;
constexpr std::int64_t kReconnectJitterMs = 1000;
// A server that has gone without a word is noticed after three of these.
constexpr std::int64_t kPingMs = 10000;
constexpr std::int64_t kCallMs = 3000;  // to JetStream; through_stall() tries again
constexpr auto kBetweenTries = 200ms;
constexpr auto kClosing = 5s;

// Without what stands before '@': that may be a password.
std::string without_credentials(std::string_view url) {
  std::string shown;
  while (!url.empty()) {
    const std::string_view one = url.substr(0, url.find(','));
    url.remove_prefix(std::min(url.size(), one.size() + 1));
    const std::size_t scheme = one.find("://") == one.npos ? 0 : one.find("://") + 3;
    const std::size_t at = one.rfind('@');
    if (!shown.empty()) shown += ',';
    shown += one.substr(0, scheme);
    shown += one.substr(at == one.npos || at < scheme ? scheme : at + 1);
  }
  return shown;
}

void on_connected(natsConnection* /*connection*/, void* /*closure*/) { spdlog::info("fleet: connected to NATS"); }
void on_disconnected(natsConnection* /*connection*/, void* self) {
  if (static_cast<NatsConnection*>(self)->is_closing()) return;
  spdlog::warn("fleet: the connection to NATS is lost; it is tried again for as long as it takes");
}
void on_closed(natsConnection* /*connection*/, void* self) { static_cast<NatsConnection*>(self)->note_closed(); }
// The library prints to standard error without one.
void on_error(natsConnection* /*connection*/, natsSubscription* /*subscription*/, natsStatus status,
              void* /*closure*/) {
  spdlog::debug("fleet: {}", natsStatus_GetText(status));
}

natsStatus secure(natsOptions* options, const ConnectionOptions& wanted) {
  if (!wanted.tls_ca.empty()) {
    if (const auto status = natsOptions_LoadCATrustedCertificates(options, wanted.tls_ca.c_str()); status != NATS_OK) {
      return status;
    }
  }
  if (!wanted.tls_certificate.empty()) {
    const auto status =
        natsOptions_LoadCertificatesChain(options, wanted.tls_certificate.c_str(), wanted.tls_key.c_str());
    if (status != NATS_OK) return status;
  }
  const bool is_secure =
      wanted.url.find("tls://") != std::string::npos || !wanted.tls_ca.empty() || !wanted.tls_certificate.empty();
  return is_secure ? natsOptions_SetSecure(options, true) : NATS_OK;
}

natsStatus authenticate(natsOptions* options, const ConnectionOptions& wanted) {
  if (!wanted.credentials.empty()) {
    return natsOptions_SetUserCredentialsFromFiles(options, wanted.credentials.c_str(), nullptr);
  }
  if (!wanted.nkey.empty()) {
    return natsOptions_SetNKeyFromSeed(options, wanted.nkey.c_str(), wanted.nkey_seed.c_str());
  }
  return NATS_OK;
}

natsStatus set_servers(natsOptions* options, std::string_view urls) {
  std::vector<std::string> texts;
  while (!urls.empty()) {
    texts.emplace_back(urls.substr(0, urls.find(',')));
    urls.remove_prefix(std::min(urls.size(), texts.back().size() + 1));
  }
  std::vector<const char*> servers;
  for (const std::string& text : texts) servers.push_back(text.c_str());
  return natsOptions_SetServers(options, servers.data(), static_cast<int>(servers.size()));
}

natsStatus set_all(natsOptions* options, const ConnectionOptions& wanted, NatsConnection* self) {
  const std::function<natsStatus()> steps[] = {
      [&] { return set_servers(options, wanted.url); },
      [&] { return natsOptions_SetName(options, wanted.name.c_str()); },
      [&] { return natsOptions_SetTimeout(options, kConnectMs); },
      [&] { return natsOptions_SetMaxReconnect(options, -1); },
      [&] { return natsOptions_SetReconnectWait(options, kReconnectMs); },
      [&] { return natsOptions_SetReconnectJitter(options, kReconnectJitterMs, kReconnectJitterMs); },
      [&] { return natsOptions_SetPingInterval(options, kPingMs); },
      [&] { return natsOptions_SetRetryOnFailedConnect(options, true, &on_connected, nullptr); },
      [&] { return natsOptions_SetReconnectedCB(options, &on_connected, nullptr); },
      [&] { return natsOptions_SetDisconnectedCB(options, &on_disconnected, self); },
      [&] { return natsOptions_SetClosedCB(options, &on_closed, self); },
      [&] { return natsOptions_SetErrorHandler(options, &on_error, nullptr); },
      [&] { return authenticate(options, wanted); },
      [&] { return secure(options, wanted); },
  };
  for (const auto& step : steps) {
    if (const natsStatus status = step(); status != NATS_OK) return status;
  }
  return NATS_OK;
}

}  // namespace

bool is_key(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.back() == '.') return false;
  return text.find("..") == text.npos && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

bool is_inbox(std::string_view reply) noexcept {
  constexpr std::string_view kInbox = "_INBOX.";
  return reply.starts_with(kInbox) && reply.size() > kInbox.size() &&
         std::ranges::all_of(reply, [](char c) { return c > ' ' && c < '\x7f' && c != '*' && c != '>'; });
}

Error nats_error(std::string_view what, natsStatus status) {
  const ErrorCode code = status == NATS_NOT_FOUND || status == NATS_NO_RESPONDERS ? ErrorCode::kNotFound
                         : status == NATS_TIMEOUT                                 ? ErrorCode::kNotReady
                                                                                  : ErrorCode::kIo;
  return {code, fmt::format("cannot {}: {}", what, natsStatus_GetText(status))};
}

Result<std::unique_ptr<Connection>> Connection::start(const ConnectionOptions& options) {
  auto connection = std::make_unique<NatsConnection>();
  if (auto begun = connection->begin(options); !begun) return std::unexpected(begun.error());
  return connection;
}

Result<void> NatsConnection::begin(const ConnectionOptions& wanted) {
  url_ = without_credentials(wanted.url);
  natsOptions* made = nullptr;
  natsStatus status = natsOptions_Create(&made);
  const OptionsHandle options(made);
  if (status == NATS_OK) status = set_all(options.get(), wanted, this);
  natsConnection* connection = nullptr;
  const bool usable = status == NATS_OK;
  if (usable) status = natsConnection_Connect(&connection, options.get());
  connection_.reset(connection);
  if (connection == nullptr) {
    return fail(usable && status != NATS_INVALID_ARG ? ErrorCode::kNotReady : ErrorCode::kConfig,
                fmt::format("nats: {} cannot be used: {}", url_, natsStatus_GetText(status)));
  }
  if (status == NATS_OK) {
    spdlog::info("fleet: connected to NATS at {}", url_);
  } else {
    spdlog::warn("fleet: NATS at {} does not answer yet; it is tried again for as long as it takes", url_);
  }
  jsOptions js_options;
  jsOptions_Init(&js_options);
  js_options.Wait = kCallMs;
  jsCtx* context = nullptr;
  status = natsConnection_JetStream(&context, connection, &js_options);
  jet_stream_.reset(context);
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error("use JetStream", status));
}

// The library calls back from a thread of its own: whatever it has to say is said before this is gone.
NatsConnection::~NatsConnection() {
  if (!connection_) return;
  is_closing_ = true;
  natsConnection_Close(connection_.get());
  std::unique_lock lock(mutex_);
  closed_.wait_for(lock, kClosing, [this] { return is_closed_; });
}

void NatsConnection::note_closed() {
  const std::scoped_lock lock(mutex_);
  is_closed_ = true;
  closed_.notify_all();
}

bool NatsConnection::connected() const {
  return natsConnection_Status(connection_.get()) == NATS_CONN_STATUS_CONNECTED;
}

bool NatsConnection::has_ended() const { return natsConnection_IsClosed(connection_.get()); }

Result<void> NatsConnection::ready() const {
  if (connected()) return {};
  return fail(ErrorCode::kNotReady, fmt::format("NATS at {} is not reachable; it is tried again", url_));
}

natsStatus NatsConnection::through_stall(std::string_view what, const Call& call) {
  const auto begun = std::chrono::steady_clock::now();
  bool told = false;
  for (;;) {
    const natsStatus status = call();
    const bool stalls = status == NATS_TIMEOUT || status == NATS_NO_RESPONDERS;
    if (!stalls || !connected() || std::chrono::steady_clock::now() - begun > kStall) return status;
    if (!std::exchange(told, true)) {
      spdlog::warn("fleet: JetStream does not answer ({}): {}; tried again for {} s", what, natsStatus_GetText(status),
                   std::chrono::duration_cast<std::chrono::seconds>(kStall).count());
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
}

Result<void> NatsConnection::publish(std::string_view subject, std::string_view data) {
  if (auto is_ready = ready(); !is_ready) return is_ready;
  const std::string name(subject);
  natsStatus status =
      natsConnection_Publish(connection_.get(), name.c_str(), data.data(), static_cast<int>(data.size()));
  if (status == NATS_OK) status = natsConnection_FlushTimeout(connection_.get(), kCallMs);
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error(fmt::format("publish to {}", name), status));
}

Result<void> NatsConnection::answer(std::string_view reply, std::string_view data) {
  if (!is_inbox(reply)) {
    return fail(ErrorCode::kForbidden, "the reply of the call is no inbox (_INBOX.…), and only those are answered");
  }
  if (auto is_ready = ready(); !is_ready) return is_ready;
  const std::string name(reply);
  const natsStatus status =
      natsConnection_Publish(connection_.get(), name.c_str(), data.data(), static_cast<int>(data.size()));
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error("answer a call", status));
}

Result<std::string> NatsConnection::request(std::string_view subject, std::string_view data,
                                            std::chrono::milliseconds timeout) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string name(subject);
  natsMsg* raw = nullptr;
  const natsStatus status = natsConnection_Request(&raw, connection_.get(), name.c_str(), data.data(),
                                                   static_cast<int>(data.size()), timeout.count());
  const MessageHandle message(raw);
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("call {}", name), status));
  return std::string(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
}

Result<std::unique_ptr<Subscription>> NatsConnection::subscribe(std::string_view subject, Handler handler) {
  auto answers = [handler = std::move(handler)](natsConnection* connection, natsMsg* message) {
    const std::string answer =
        handler({natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))});
    const char* reply = natsMsg_GetReply(message);
    if (reply == nullptr || answer.empty()) return;
    if (!is_inbox(reply)) {
      spdlog::debug("fleet: a call on {} is not answered: its reply is no inbox", natsMsg_GetSubject(message));
      return;
    }
    natsConnection_Publish(connection, reply, answer.data(), static_cast<int>(answer.size()));
  };
  auto subscription = std::make_unique<NatsSubscription>(std::move(answers));
  const natsStatus status = subscription->begin(connection_.get(), std::string(subject));
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("listen to {}", subject), status));
  return subscription;
}

Result<std::unique_ptr<Subscription>> NatsConnection::subscribe_group(std::string_view subject, std::string_view group,
                                                                      LateHandler handler) {
  auto hands_over = [handler = std::move(handler)](natsConnection*, natsMsg* message) {
    const char* reply = natsMsg_GetReply(message);
    handler({natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))},
            reply == nullptr ? "" : reply);
  };
  auto subscription = std::make_unique<NatsSubscription>(std::move(hands_over));
  const natsStatus status = subscription->begin(connection_.get(), std::string(subject), std::string(group));
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("listen to {}", subject), status));
  return subscription;
}

}  // namespace secbeat::fleet
