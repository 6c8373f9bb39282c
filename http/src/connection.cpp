#include "connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace secbeat::http {
namespace {

constexpr std::array<const char*, 10> kHeadersRead = {
    "content-type",   "content-length", "content-encoding", "transfer-encoding", "origin", "host",
    "sec-fetch-site", "x-request-id",   "expect",           "if-match"};
constexpr std::size_t kMaxRequestId = 64;
constexpr std::uint32_t kBusyRetrySeconds = 1;

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRequestId && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
  });
}

std::string random_request_id() {
  std::array<unsigned char, 8> bytes{};
  // Up to 256 bytes come whole once the pool is initialised, which it is when services start.
  static_cast<void>(::getrandom(bytes.data(), bytes.size(), 0));
  std::string id;
  for (const unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

MHD_Result add_parameter(void* query, MHD_ValueKind, const char* key, std::size_t key_size, const char* value,
                         std::size_t value_size) {
  static_cast<Pairs*>(query)->emplace_back(std::string(key, key_size),
                                           value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

Pairs all_headers(const HttpRequest& request, const HttpResponse& response) {
  Pairs headers{{"Content-Type", response.content_type},
                {"X-Request-Id", request.request_id},
                {"Cache-Control", "no-store"},
                {"X-Content-Type-Options", "nosniff"}};
  headers.insert(headers.end(), response.headers.begin(), response.headers.end());
  return headers;
}

}  // namespace

HttpRequest read_head(MHD_Connection* connection, std::string_view path, std::string_view method) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, &add_parameter, &request.query);
  for (const char* name : kHeadersRead) {
    const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    if (value != nullptr) request.headers.emplace(name, value);
  }
  const auto given = request.header("x-request-id");
  request.request_id = given && is_request_id(*given) ? std::string(*given) : random_request_id();
  return request;
}

std::optional<std::string_view> authorization_of(MHD_Connection* connection) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
  return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
}

std::string address_of(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (info->client_addr->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(info->client_addr);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
  } else if (info->client_addr->sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6*>(info->client_addr)->sin6_addr;
    constexpr std::size_t kPrefix = 12;  // of ::ffff:0:0/96
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      ::inet_ntop(AF_INET, v6.s6_addr + kPrefix, text.data(), text.size());
    } else {
      ::inet_ntop(AF_INET6, &v6, text.data(), text.size());
    }
  }
  return text.data();
}

MHD_Result queue_response(MHD_Connection* connection, const HttpRequest& request, const HttpResponse& response) {
  // The library only reads the bytes; its signature is older than const.
  MHD_Response* answer = MHD_create_response_from_buffer(response.body.size(), const_cast<char*>(response.body.data()),
                                                         MHD_RESPMEM_MUST_COPY);
  if (answer == nullptr) return MHD_NO;
  for (const auto& [name, value] : all_headers(request, response)) {
    MHD_add_response_header(answer, name.c_str(), value.c_str());
  }
  const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), answer);
  MHD_destroy_response(answer);
  return queued;
}

UniqueFd duplicate_socket(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? UniqueFd() : UniqueFd(::fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0));
}

void send_last_response(MHD_Connection* connection, const UniqueFd& socket, const HttpRequest& request,
                        const HttpResponse& response) {
  std::string bytes =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\nConnection: close\r\nContent-Length: {}\r\n",
                  response.status, MHD_get_reason_phrase_for(static_cast<unsigned>(response.status)),
                  fmt::gmtime(std::time(nullptr)), response.body.size());
  for (const auto& [name, value] : all_headers(request, response)) bytes += fmt::format("{}: {}\r\n", name, value);
  bytes += "\r\n";
  bytes += response.body;
  // Nothing has been sent but "100 Continue": these few hundred bytes fit into the socket's buffer.
  const MHD_ConnectionInfo* tls = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  if (tls != nullptr && tls->tls_session != nullptr) {
    static_cast<void>(gnutls_record_send(static_cast<gnutls_session_t>(tls->tls_session), bytes.data(), bytes.size()));
  } else {
    static_cast<void>(::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
}

HttpResponse busy_response() {
  auto response = error_response({ErrorCode::kBusy, "Too many uploads are being worked on; try again in a moment"},
                                 {{"retry_after_seconds", kBusyRetrySeconds}});
  response.headers.emplace_back("Retry-After", std::to_string(kBusyRetrySeconds));
  return response;
}

HttpResponse stopping_response(std::string_view server) {
  auto response = error_response({ErrorCode::kShuttingDown, fmt::format("The {} is being stopped", server)});
  response.headers.emplace_back("Connection", "close");
  return response;
}

}  // namespace secbeat::http
