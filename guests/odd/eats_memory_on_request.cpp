// Passes its rehearsal; at a request that has the header x-eat takes memory until it is refused, and then
// aborts as an allocator would. It asks page by page, so that none is left.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  if (request.has_header("x-eat")) {
    while (allocate(65536) != 0) continue;
    __builtin_trap();
  }
  return allow();
}
