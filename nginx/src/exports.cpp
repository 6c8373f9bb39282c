// The three symbols that nginx looks up in a dynamic module; everything else stays hidden (exports.map).
#include "config.hpp"
#include "ngx_cxx.hpp"

#define SECBEAT_EXPORTED __attribute__((visibility("default")))

namespace {
char module_name[] = "ngx_http_secbeat_module";  // nginx' declarations want it writable
}

// Declared with C linkage in nginx' headers, but for the order, which only modules define.
SECBEAT_EXPORTED ngx_module_t* ngx_modules[] = {&ngx_http_secbeat_module, nullptr};
SECBEAT_EXPORTED char* ngx_module_names[] = {module_name, nullptr};
extern "C" {
SECBEAT_EXPORTED extern char* ngx_module_order[];
char* ngx_module_order[] = {nullptr};
}
