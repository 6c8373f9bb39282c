// Passes its rehearsal; at a request that has the header x-deep calls itself until the stack is used up.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

// The address that escapes keeps each call's frame in memory and the recursion a recursion.
[[gnu::noinline]] static int descend(int depth) {
  const volatile int here = depth;
  return depth < 0 ? 0 : descend(depth + 1) + here;
}

Decision inspect(const Request& request) {
  if (request.has_header("x-deep")) return {.score = descend(0)};
  return allow();
}
