// What the client sees of a decision: our own answers and the receipt.
//
// Thread safety: owned by the event loop.
#pragma once

#include "mark.hpp"
#include "ngx_cxx.hpp"
#include "secbeat/worker/worker.hpp"

namespace secbeat::nginx {

// Adds X-SecBeat-Receipt to the response, whichever that becomes. NGX_OK, or NGX_ERROR without memory.
ngx_int_t add_receipt(ngx_http_request_t* r, const Mark& mark, std::string_view sha256) noexcept;

// Refuses the request as `decision` says and discards what is unread of its body. A status for which the location
// configures an error_page is left to nginx and that page. Returns what the phase handler has to return.
// REQUIRES: decision.action is not kPass.
ngx_int_t refuse(ngx_http_request_t* r, const worker::Decision& decision) noexcept;

// Refuses a request whose body is longer than what is inspected (body_over_limit = "block").
ngx_int_t refuse_long_body(ngx_http_request_t* r) noexcept;

}  // namespace secbeat::nginx
