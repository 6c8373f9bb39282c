// The module as nginx sees it, and its life in a process.
//
// The master reads the configuration and nothing more. Threads, memory of rules and the wake-up event exist in
// worker processes only: they are made after the fork, and nginx' helper processes (cache manager) never need them.
#include <string_view>

#include "config.hpp"
#include "guard.hpp"
#include "inspection.hpp"
#include "ngx_cxx.hpp"
#include "runtime.hpp"
#include "text.hpp"
#include "variables.hpp"

namespace secbeat::nginx {
namespace {

ngx_int_t on_postconfiguration(ngx_conf_t* cf) {
  auto& conf = *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_secbeat_module));
  finish_main_conf(cf, conf);
  return conf.used == 1 ? register_inspection(cf) : NGX_OK;
}

ngx_int_t on_preconfiguration(ngx_conf_t* cf) { return add_variables(cf); }

// A worker whose rules cannot be had still serves: never NGX_ERROR, for which nginx would end it.
ngx_int_t on_init_process(ngx_cycle_t* cycle) {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
  MainConf* conf = main_conf_of(cycle);
  if (conf == nullptr || conf->used != 1) return NGX_OK;
  return guarded<ngx_int_t>(cycle->log, NGX_OK, [&] {
    conf->runtime = Runtime::start(cycle, text_of(conf->state_dir)).release();
    return NGX_OK;
  });
}

void on_exit_process(ngx_cycle_t* cycle) {
  MainConf* conf = main_conf_of(cycle);
  if (conf == nullptr || conf->runtime == nullptr) return;
  Runtime* runtime = conf->runtime;
  conf->runtime = nullptr;
  guarded<ngx_int_t>(cycle->log, NGX_ERROR, [&] {
    delete runtime;
    return NGX_OK;
  });
}

ngx_http_module_t module_context = {
    on_preconfiguration,  on_postconfiguration, create_main_conf, init_main_conf, nullptr, nullptr,
    create_location_conf, merge_location_conf};

}  // namespace
}  // namespace secbeat::nginx

ngx_module_t ngx_http_secbeat_module = {NGX_MODULE_V1,
                                        &secbeat::nginx::module_context,
                                        secbeat::nginx::directives,
                                        NGX_HTTP_MODULE,
                                        nullptr,  // init master
                                        nullptr,  // init module
                                        secbeat::nginx::on_init_process,
                                        nullptr,  // init thread
                                        nullptr,  // exit thread
                                        secbeat::nginx::on_exit_process,
                                        nullptr,  // exit master
                                        NGX_MODULE_V1_PADDING};
