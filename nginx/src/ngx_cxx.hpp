// nginx' C headers for C++. The only file that includes them; they are no clean C++, so warnings are off inside.
#pragma once
#pragma GCC system_header

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
}
