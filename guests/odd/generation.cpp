// One of several modules that differ in their bytes alone: lets everything pass, and blocks a request that
// has the header x-who, so that the rule of the verdict says which one it is.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  return request.has_header("x-who") ? block("generation-" GENERATION, "The request asks who decides") : allow();
}
