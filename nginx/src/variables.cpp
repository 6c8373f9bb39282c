#include "variables.hpp"

#include "mark.hpp"

namespace secbeat::nginx {
namespace {

ngx_str_t verdict_of(const Mark& mark) { return word_of(mark); }
ngx_str_t module_of(const Mark& mark) { return mark.module; }
ngx_str_t version_of(const Mark& mark) { return mark.version; }
ngx_str_t rule_of(const Mark& mark) { return mark.rule; }
ngx_str_t message_of(const Mark& mark) { return mark.message; }

// Unset, which a log shows as "-", where no module decided, or named no rule.
template <ngx_str_t (*read)(const Mark&)>
ngx_int_t get(ngx_http_request_t* r, ngx_http_variable_value_t* value, uintptr_t /*data*/) {
  const Mark* mark = find_mark(r);
  const ngx_str_t text = mark == nullptr ? ngx_str_t ngx_null_string : read(*mark);
  if (text.data == nullptr) {
    value->not_found = 1;
    return NGX_OK;
  }
  value->len = static_cast<unsigned>(text.len) & 0x0fffffffU;  // the field has 28 bits
  value->data = text.data;
  value->valid = 1;
  value->no_cacheable = 1;
  value->not_found = 0;
  return NGX_OK;
}

ngx_int_t add(ngx_conf_t* cf, ngx_str_t name, ngx_http_get_variable_pt handler) noexcept {
  ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
  if (variable == nullptr) return NGX_ERROR;
  variable->get_handler = handler;
  return NGX_OK;
}

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
  if (add(cf, ngx_string("secbeat_verdict"), get<verdict_of>) != NGX_OK) return NGX_ERROR;
  if (add(cf, ngx_string("secbeat_module"), get<module_of>) != NGX_OK) return NGX_ERROR;
  if (add(cf, ngx_string("secbeat_version"), get<version_of>) != NGX_OK) return NGX_ERROR;
  if (add(cf, ngx_string("secbeat_rule"), get<rule_of>) != NGX_OK) return NGX_ERROR;
  return add(cf, ngx_string("secbeat_message"), get<message_of>);
}

}  // namespace secbeat::nginx
