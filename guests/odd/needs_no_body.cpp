// Says that it needs no bodies, and blocks a request whose frame carries one all the same.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request& request) {
  return request.body().empty() ? allow() : block("unasked-body", "The frame carries a body that nobody asked for");
}
