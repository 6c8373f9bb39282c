#include "request_reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "text.hpp"

namespace secbeat::nginx {
namespace {

bool spooled(const ngx_buf_t& part) noexcept { return !ngx_buf_in_memory(&part) && part.in_file; }

std::uint32_t transport_flags(const ngx_http_request_t* r) noexcept {
  std::uint32_t flags = 0;
  if (r->connection->ssl != nullptr) flags |= abi::kTls;
  if (r->http_version == NGX_HTTP_VERSION_20) flags |= abi::kHttp2;
  return flags;
}

std::uint64_t now_unix_ms() noexcept {
  const ngx_time_t* now = ngx_timeofday();
  return static_cast<std::uint64_t>(now->sec) * 1000 + now->msec;
}

std::string_view request_id(ngx_http_request_t* r, ngx_int_t index) noexcept {
  if (index == NGX_ERROR) return {};
  const ngx_http_variable_value_t* value = ngx_http_get_indexed_variable(r, static_cast<ngx_uint_t>(index));
  if (value == nullptr || value->not_found) return {};
  return {reinterpret_cast<const char*>(value->data), value->len};
}

}  // namespace

// nginx counts in content_length_n while it reads a chunked body, and counts down while it discards any, so that
// the number is the length only before and after; the header keeps what the client said.
std::uint64_t body_length(const ngx_http_request_t* r) noexcept {
  if (const ngx_table_elt_t* field = r->headers_in.content_length; field != nullptr) {
    const off_t length = ngx_atoof(field->value.data, field->value.len);
    return length < 0 ? abi::kBodyLengthUnknown : static_cast<std::uint64_t>(length);
  }
  if (!r->headers_in.chunked) return 0;
  return body_is_here(r) ? static_cast<std::uint64_t>(r->headers_in.content_length_n) : abi::kBodyLengthUnknown;
}

bool has_body(const ngx_http_request_t* r) noexcept { return body_length(r) != 0; }

bool body_is_here(const ngx_http_request_t* r) noexcept {
  return r->request_body != nullptr && !r->discard_body && !r->reading_body && !r->request_body_no_buffering &&
         r->request_body->rest == 0;
}

engine::RequestView RequestReader::read_line(ngx_http_request_t* r) noexcept {
  engine::RequestView view;
  view.method = text_of(r->method_name);
  view.uri = text_of(r->unparsed_uri);
  view.source_ip = text_of(r->connection->addr_text);
  view.now_unix_ms = now_unix_ms();
  return view;
}

engine::RequestView RequestReader::read(ngx_http_request_t* r, const Options& options) {
  ngx_connection_t* connection = r->connection;
  read_headers(r);
  read_server_address(r);

  engine::RequestView view = read_line(r);
  view.version = text_of(r->http_protocol);
  view.source_port = ngx_inet_get_port(connection->sockaddr);
  view.host = text_of(r->headers_in.server);
  view.server_ip = server_ip_;
  view.server_port = server_port_;
  view.request_id = request_id(r, options.request_id_index);
  view.headers = headers_;
  view.flags = transport_flags(r);
  view.body_total_len = body_length(r);
  if (has_body(r)) {
    if (options.body == BodyShare::kNotGiven) {
      view.flags |= abi::kBodyNotGiven;
    } else {
      view.body = read_body(r, options.max_body_bytes);
      if (view.body.size() < view.body_total_len) view.flags |= abi::kBodyTruncated;
    }
  }
  return view;
}

void RequestReader::read_headers(ngx_http_request_t* r) {
  headers_.clear();
  for (const ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    const auto* fields = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      const std::string_view name(reinterpret_cast<const char*>(fields[i].lowcase_key), fields[i].key.len);
      headers_.push_back({name, text_of(fields[i].value)});
    }
  }
}

// The first `limit` bytes. A body in one part of memory is not copied; of one that nginx has spooled to disk,
// one bounded pread is done for its part of the file.
std::string_view RequestReader::read_body(ngx_http_request_t* r, std::uint64_t limit) {
  const ngx_chain_t* chain = r->request_body->bufs;
  if (chain == nullptr) return {};
  if (chain->next == nullptr && !spooled(*chain->buf)) {
    const auto bytes = static_cast<std::uint64_t>(chain->buf->last - chain->buf->pos);
    return {reinterpret_cast<const char*>(chain->buf->pos), static_cast<std::size_t>(std::min(bytes, limit))};
  }
  body_.clear();
  for (; chain != nullptr && body_.size() < limit; chain = chain->next) {
    const ngx_buf_t& part = *chain->buf;
    const auto part_bytes = static_cast<std::uint64_t>(ngx_buf_size(&part));
    const auto bytes = static_cast<std::size_t>(std::min(part_bytes, limit - body_.size()));
    if (spooled(part)) {
      append_from_file(part, bytes, r->connection->log);
    } else {
      body_.append(reinterpret_cast<const char*>(part.pos), bytes);
    }
  }
  return body_;
}

void RequestReader::append_from_file(const ngx_buf_t& part, std::size_t bytes, ngx_log_t* log) {
  const std::size_t before = body_.size();
  body_.resize(before + bytes);
  const ssize_t got = ::pread(part.file->fd, body_.data() + before, bytes, part.file_pos);
  if (got < 0) ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "secbeat: the request's body could not be read");
  body_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
}

void RequestReader::read_server_address(ngx_http_request_t* r) {
  ngx_connection_t* connection = r->connection;
  if (ngx_connection_local_sockaddr(connection, nullptr, 0) != NGX_OK) {
    server_ip_.clear();
    server_port_ = 0;
    server_socklen_ = 0;
    return;
  }
  const socklen_t length = std::min<socklen_t>(connection->local_socklen, sizeof(server_sockaddr_));
  if (length == server_socklen_ && std::memcmp(&server_sockaddr_, connection->local_sockaddr, length) == 0) return;

  u_char text[NGX_SOCKADDR_STRLEN];
  const std::size_t text_length =
      ngx_sock_ntop(connection->local_sockaddr, connection->local_socklen, text, sizeof(text), 0);
  server_ip_.assign(reinterpret_cast<const char*>(text), text_length);
  server_port_ = ngx_inet_get_port(connection->local_sockaddr);
  std::memcpy(&server_sockaddr_, connection->local_sockaddr, length);
  server_socklen_ = length;
}

}  // namespace secbeat::nginx
