// The handler that inspects each client request once, in the REWRITE phase.
#pragma once

#include "ngx_cxx.hpp"

namespace secbeat::nginx {

// Registers the handler. Called after nginx' own rewrite module registered its own: handlers of a phase run in
// reverse order, so that `return` and `rewrite` of a location come after the inspection.
ngx_int_t register_inspection(ngx_conf_t* cf) noexcept;

}  // namespace secbeat::nginx
