// What the configuration file says about SecBeat, as nginx keeps it: plain structs in its pools.
//
// Thread safety: written while a configuration is read, constant afterwards, but for `runtime`, which the event
// loop of a worker sets when the worker starts and ends.
#pragma once

#include "ngx_cxx.hpp"

extern "C" ngx_module_t ngx_http_secbeat_module;

namespace secbeat::nginx {

class Runtime;

struct MainConf {
  ngx_str_t state_dir;
  ngx_flag_t used;             // whether any location says `secbeat on`
  ngx_int_t request_id_index;  // of $request_id where the configuration uses it, else NGX_ERROR
  Runtime* runtime;            // in a worker process, null elsewhere
};

struct LocationConf {
  ngx_flag_t enabled;  // secbeat
  ngx_flag_t body;     // secbeat_body
  ngx_flag_t receipt;  // secbeat_receipt
};

extern ngx_command_t directives[];

void* create_main_conf(ngx_conf_t* cf);
char* init_main_conf(ngx_conf_t* cf, void* conf);
void* create_location_conf(ngx_conf_t* cf);
char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child);

// Once the whole configuration has been read.
void finish_main_conf(ngx_conf_t* cf, MainConf& conf);

MainConf& main_conf_of(ngx_http_request_t* r) noexcept;
// Null where the configuration has no http block.
MainConf* main_conf_of(ngx_cycle_t* cycle) noexcept;
const LocationConf& location_conf_of(ngx_http_request_t* r) noexcept;

}  // namespace secbeat::nginx
