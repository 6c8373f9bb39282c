// From nginx' request to the view that an inspection gets.
//
// Nothing is copied that nginx already keeps; what has to be put together (the list of headers, a body in several
// parts, the server's address as text) goes into memory of this object that grows once and is used again.
//
// Thread safety: owned by the event loop; a view is valid until the next read().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ngx_cxx.hpp"
#include "secbeat/engine/request.hpp"

namespace secbeat::nginx {

// Whether the request announces a body that is not empty.
bool has_body(const ngx_http_request_t* r) noexcept;
// Its length; abi::kBodyLengthUnknown while that is not known (chunked and not read).
std::uint64_t body_length(const ngx_http_request_t* r) noexcept;
// Whether nginx holds the body whole, in memory or in its file.
bool body_is_here(const ngx_http_request_t* r) noexcept;

enum class BodyShare : std::uint8_t { kGiven, kNotGiven };

class RequestReader {
 public:
  struct Options {
    BodyShare body;
    std::uint64_t max_body_bytes;
    ngx_int_t request_id_index;
  };
  // Throws std::bad_alloc.
  engine::RequestView read(ngx_http_request_t* r, const Options& options);
  // What an event says of a request: method, URI, address and time.
  static engine::RequestView read_line(ngx_http_request_t* r) noexcept;

 private:
  void read_headers(ngx_http_request_t* r);
  std::string_view read_body(ngx_http_request_t* r, std::uint64_t limit);
  void append_from_file(const ngx_buf_t& part, std::size_t bytes, ngx_log_t* log);
  void read_server_address(ngx_http_request_t* r);

  std::vector<engine::HeaderView> headers_;
  std::string body_;
  // The last local address and its text: most requests of a worker come to the same one.
  ngx_sockaddr_t server_sockaddr_{};
  socklen_t server_socklen_ = 0;
  std::string server_ip_;
  std::uint16_t server_port_ = 0;
};

}  // namespace secbeat::nginx
