// Blocks a request that has the header x-block.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  return request.has_header("x-block") ? block("x-block", "The request has the header x-block") : allow();
}
