// Passes its rehearsal; answers a request that has the header x-trap with a verdict that does not exist.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  if (request.has_header("x-trap")) return {.verdict = static_cast<Verdict>(7)};
  return allow();
}
