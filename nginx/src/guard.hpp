// No exception crosses into nginx: every callback that can meet one runs inside the guard.
#pragma once

#include <exception>

#include "ngx_cxx.hpp"

namespace secbeat::nginx {

// What `body` returns; `fallback` and a line in the log where it threw.
template <class Result, class Body>
Result guarded(ngx_log_t* log, Result fallback, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    ngx_log_error(NGX_LOG_ERR, log, 0, "secbeat: %s", error.what());
  } catch (...) {
    ngx_log_error(NGX_LOG_ERR, log, 0, "secbeat: unknown exception");
  }
  return fallback;
}

}  // namespace secbeat::nginx
