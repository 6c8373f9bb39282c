// At a request that has the header x-eat takes memory until it is refused, and answers all the same: a
// refused memory.grow that the guest handles is no error.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  if (!request.has_header("x-eat")) return allow();
  while (allocate(65536) != 0) continue;
  return log_only("no-memory-left", "The node granted no more memory");
}
