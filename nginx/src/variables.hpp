// $secbeat_verdict, $secbeat_module, $secbeat_version: what decided the request, for log_format and headers.
#pragma once

#include "ngx_cxx.hpp"

namespace secbeat::nginx {

ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

}  // namespace secbeat::nginx
