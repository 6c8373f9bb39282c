#include "config.hpp"

#include <sys/stat.h>

#include <cstddef>

namespace secbeat::nginx {
namespace {

// Where the agent of an installed SecBeat and the workers meet.
ngx_str_t default_state_dir = ngx_string("/run/secbeat");

// Not in `if`: the handler runs before nginx evaluates one, so that a directive inside would have no effect.
constexpr ngx_uint_t kEverywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_FLAG;

bool is_directory(const ngx_str_t& path) {
  struct stat info{};
  return ::stat(reinterpret_cast<const char*>(path.data), &info) == 0 && S_ISDIR(info.st_mode);
}

ngx_int_t index_of_variable(ngx_conf_t* cf, const ngx_str_t& name) {
  const auto* core =
      static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  const auto* variables = static_cast<ngx_http_variable_t*>(core->variables.elts);
  for (ngx_uint_t i = 0; i < core->variables.nelts; ++i) {
    if (variables[i].name.len == name.len && ngx_strncmp(variables[i].name.data, name.data, name.len) == 0) {
      return static_cast<ngx_int_t>(i);
    }
  }
  return NGX_ERROR;
}

}  // namespace

ngx_command_t directives[] = {{ngx_string("secbeat_state"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
                               NGX_HTTP_MAIN_CONF_OFFSET, offsetof(MainConf, state_dir), nullptr},
                              {ngx_string("secbeat"), kEverywhere, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
                               offsetof(LocationConf, enabled), nullptr},
                              {ngx_string("secbeat_body"), kEverywhere, ngx_conf_set_flag_slot,
                               NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationConf, body), nullptr},
                              {ngx_string("secbeat_receipt"), kEverywhere, ngx_conf_set_flag_slot,
                               NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationConf, receipt), nullptr},
                              ngx_null_command};

void* create_main_conf(ngx_conf_t* cf) {
  auto* conf = static_cast<MainConf*>(ngx_pcalloc(cf->pool, sizeof(MainConf)));
  if (conf != nullptr) conf->request_id_index = NGX_ERROR;
  return conf;
}

char* init_main_conf(ngx_conf_t* cf, void* conf) {
  auto& main_conf = *static_cast<MainConf*>(conf);
  if (main_conf.state_dir.len == 0) main_conf.state_dir = default_state_dir;
  if (ngx_conf_full_name(cf->cycle, &main_conf.state_dir, 0) != NGX_OK) return static_cast<char*>(NGX_CONF_ERROR);
  return NGX_CONF_OK;
}

void* create_location_conf(ngx_conf_t* cf) {
  auto* conf = static_cast<LocationConf*>(ngx_palloc(cf->pool, sizeof(LocationConf)));
  if (conf != nullptr) *conf = {NGX_CONF_UNSET, NGX_CONF_UNSET, NGX_CONF_UNSET};
  return conf;
}

char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child) {
  const auto& outer = *static_cast<const LocationConf*>(parent);
  auto& inner = *static_cast<LocationConf*>(child);
  ngx_conf_merge_value(inner.enabled, outer.enabled, 0);
  ngx_conf_merge_value(inner.body, outer.body, 1);
  ngx_conf_merge_value(inner.receipt, outer.receipt, 0);
  if (inner.enabled == 1) {
    static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_secbeat_module))->used = 1;
  }
  return NGX_CONF_OK;
}

void finish_main_conf(ngx_conf_t* cf, MainConf& conf) {
  const ngx_str_t request_id = ngx_string("request_id");
  conf.request_id_index = index_of_variable(cf, request_id);
  if (conf.used == 1 && !is_directory(conf.state_dir)) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "secbeat_state \"%V\" is not a directory: requests pass without inspection until a worker "
                       "starts and finds one there",
                       &conf.state_dir);
  }
}

MainConf& main_conf_of(ngx_http_request_t* r) noexcept {
  return *static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_secbeat_module));
}

MainConf* main_conf_of(ngx_cycle_t* cycle) noexcept {
  return static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_secbeat_module));
}

const LocationConf& location_conf_of(ngx_http_request_t* r) noexcept {
  return *static_cast<LocationConf*>(ngx_http_get_module_loc_conf(r, ngx_http_secbeat_module));
}

}  // namespace secbeat::nginx
