#include "answer.hpp"

#include <charconv>

#include "text.hpp"

namespace secbeat::nginx {
namespace {

// Enough to tell versions apart; the whole hash is in the API.
constexpr std::size_t kReceiptHashDigits = 16;

ngx_int_t add_header(ngx_http_request_t* r, ngx_str_t name, ngx_str_t value) noexcept {
  if (value.data == nullptr) return NGX_ERROR;
  auto* field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (field == nullptr) return NGX_ERROR;
  *field = {};
  field->hash = 1;
  field->key = name;
  field->value = value;
  return NGX_OK;
}

// Whether nginx would answer `status` with a page that the location configures (ngx_http_special_response_handler
// asks the same). r->error_page is set while such a page is being served.
bool has_error_page(ngx_http_request_t* r, ngx_uint_t status) noexcept {
  const auto* location = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  if (r->error_page || location->error_pages == nullptr || r->uri_changes == 0) return false;
  const auto* pages = static_cast<const ngx_http_err_page_t*>(location->error_pages->elts);
  for (ngx_uint_t i = 0; i < location->error_pages->nelts; ++i) {
    if (pages[i].status == static_cast<ngx_int_t>(status)) return true;
  }
  return false;
}

ngx_int_t answer(ngx_http_request_t* r, ngx_uint_t status, ngx_str_t body) noexcept {
  if (body.data == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  // The page's own handler reads or discards the request's body, as for a status of nginx' own.
  if (has_error_page(r, status)) return static_cast<ngx_int_t>(status);
  // No "100 Continue" for a body that nobody wants.
  r->expect_tested = 1;
  // A redirect by error_page may have left a status of its own.
  r->err_status = 0;
  r->headers_out.status_line.len = 0;
  ngx_str_t content_type = ngx_string("text/plain");
  ngx_http_complex_value_t value{};
  value.value = body;
  return ngx_http_send_response(r, status, &content_type, &value);
}

ngx_int_t add_retry_after(ngx_http_request_t* r, std::uint32_t seconds) noexcept {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), seconds).ptr;
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  return add_header(r, ngx_string("Retry-After"), concatenate(r->pool, {text}));
}

}  // namespace

ngx_int_t add_receipt(ngx_http_request_t* r, const Mark& mark, std::string_view sha256) noexcept {
  const ngx_str_t value =
      concatenate(r->pool, {text_of(mark.module), "/", text_of(mark.version),
                            ";sha256=", sha256.substr(0, kReceiptHashDigits), ";verdict=", text_of(word_of(mark))});
  return add_header(r, ngx_string("X-SecBeat-Receipt"), value);
}

ngx_int_t refuse(ngx_http_request_t* r, const worker::Decision& decision) noexcept {
  switch (decision.action) {
    case worker::Action::kPass:
      return NGX_DECLINED;
    case worker::Action::kBlock:
      return answer(r, NGX_HTTP_FORBIDDEN, concatenate(r->pool, {"Blocked by WASM rule: ", decision.module, "\n"}));
    case worker::Action::kTooMany:
      if (add_retry_after(r, decision.retry_after_seconds) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
      return answer(r, NGX_HTTP_TOO_MANY_REQUESTS,
                    concatenate(r->pool, {"Rate limited by WASM rule: ", decision.module, "\n"}));
    case worker::Action::kUnavailable:
      return answer(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                    concatenate(r->pool, {"WASM rule not available: ", decision.module, "\n"}));
  }
  return NGX_DECLINED;
}

ngx_int_t refuse_long_body(ngx_http_request_t* r) noexcept {
  return answer(r, NGX_HTTP_FORBIDDEN, ngx_string("Blocked: the request's body is longer than what is inspected\n"));
}

}  // namespace secbeat::nginx
