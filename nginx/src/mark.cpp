#include "mark.hpp"

#include <new>

#include "config.hpp"

namespace secbeat::nginx {
namespace {

// Frees nothing: its address tells our cleanup entries from others.
void mark_cleanup(void* /*data*/) {}

}  // namespace

Mark* find_mark(ngx_http_request_t* r) noexcept {
  ngx_http_request_t* client_request = r->main;
  if (void* context = ngx_http_get_module_ctx(client_request, ngx_http_secbeat_module); context != nullptr) {
    return static_cast<Mark*>(context);
  }
  // Contexts are zeroed only on the ways that set one of these.
  if (!client_request->internal && !client_request->filter_finalize) return nullptr;
  for (ngx_pool_cleanup_t* entry = client_request->pool->cleanup; entry != nullptr; entry = entry->next) {
    if (entry->handler == mark_cleanup) return static_cast<Mark*>(entry->data);
  }
  return nullptr;
}

Mark* make_mark(ngx_http_request_t* r) noexcept {
  ngx_pool_cleanup_t* entry = ngx_pool_cleanup_add(r->pool, sizeof(Mark));
  if (entry == nullptr) return nullptr;
  entry->handler = mark_cleanup;
  auto* mark = new (entry->data) Mark{};
  ngx_http_set_ctx(r, mark, ngx_http_secbeat_module);
  return mark;
}

ngx_str_t word_of(const Mark& mark) noexcept {
  switch (mark.outcome) {
    case Outcome::kNone:
      return ngx_null_string;
    case Outcome::kUnavailable:
      return ngx_string("unavailable");
    case Outcome::kVerdict:
      break;
  }
  switch (mark.verdict) {
    case abi::Verdict::kAllow:
      return ngx_string("allow");
    case abi::Verdict::kBlock:
      return ngx_string("block");
    case abi::Verdict::kLog:
      return ngx_string("log");
    case abi::Verdict::kRateLimit:
      return ngx_string("rate_limit");
  }
  return ngx_null_string;
}

}  // namespace secbeat::nginx
