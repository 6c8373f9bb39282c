// What is remembered of one client request: that it was inspected, and by whom.
//
// "Inspected once" needs a memory that outlives internal redirects. nginx zeroes the modules' contexts there, and
// `r->internal` is no substitute (a server-level `rewrite` sets it before any location was met). So the mark lives
// in a cleanup entry of the request's pool, which lasts as long as the request, and is found there again.
//
// Thread safety: owned by the event loop.
#pragma once

#include <cstdint>

#include "ngx_cxx.hpp"
#include "secbeat/abi/frame.h"

namespace secbeat::nginx {

enum class Progress : std::uint8_t {
  kNew,          // nothing happened yet
  kReadingBody,  // nginx was asked for the body
  kDecided,      // no further inspection, whatever happens to the request
};

enum class Outcome : std::uint8_t {
  kNone,         // no module decided
  kVerdict,      // `verdict` says which
  kUnavailable,  // a module failed and its policy is closed
};

struct Mark {
  Progress progress;
  Outcome outcome;
  bool suspended;  // the phases wait for the body
  bool body_came;  // nginx has read it whole
  abi::Verdict verdict;
  ngx_str_t module;   // in the request's pool
  ngx_str_t version;  // label
  ngx_str_t rule;     // that the module names; without data where it names none
  ngx_str_t message;  // what it says about that
};

// The mark of the client request that `r` belongs to; null where there is none.
Mark* find_mark(ngx_http_request_t* r) noexcept;

// A fresh mark; null without memory. REQUIRES: r is a client request without one.
Mark* make_mark(ngx_http_request_t* r) noexcept;

// "allow", "block", "log", "rate_limit", "unavailable"; empty for kNone.
ngx_str_t word_of(const Mark& mark) noexcept;

}  // namespace secbeat::nginx
