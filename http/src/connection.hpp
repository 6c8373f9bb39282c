// Between libmicrohttpd's connection and the values of api_message.hpp.
//
// Thread safety: called on the library's thread that owns the connection.
#pragma once

#include <microhttpd.h>

#include "secbeat/base/unique_fd.hpp"
#include "secbeat/http/message.hpp"

namespace secbeat::http {

// Method, path, query, the headers that the API reads, and the request id: the client's where it is 1 to 64 of
// [A-Za-z0-9._-], else a random one.
HttpRequest read_head(MHD_Connection* connection, std::string_view path, std::string_view method);

// The header; not kept with the others, which handlers see.
std::optional<std::string_view> authorization_of(MHD_Connection* connection);
// The peer's address, an IPv4 one as such also where it came over IPv6; empty where there is none.
std::string address_of(MHD_Connection* connection);

MHD_Result queue_response(MHD_Connection* connection, const HttpRequest& request, const HttpResponse& response);

// The connection's socket once more, to outlive the library's; empty when there is none to have.
UniqueFd duplicate_socket(MHD_Connection* connection);
// The answer as bytes, with Connection: close, without waiting. `socket` is the connection's. REQUIRES: nothing else is
// being sent.
void send_last_response(MHD_Connection* connection, const UniqueFd& socket, const HttpRequest& request,
                        const HttpResponse& response);

HttpResponse busy_response();
// `server` is what messages call the one that stops.
HttpResponse stopping_response(std::string_view server);

}  // namespace secbeat::http
