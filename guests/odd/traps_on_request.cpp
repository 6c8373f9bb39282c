// Passes its rehearsal; traps at a request that has the header x-trap.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  if (request.has_header("x-trap")) __builtin_trap();
  return allow();
}
