// Passes its rehearsal; never answers a request that has the header x-loop.
#include <secbeat/guest.hpp>

#include "loop.hpp"

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  if (request.has_header("x-loop")) loop_for_ever();
  return allow();
}
