// Keeps state between requests: counts its calls and blocks from the third on. What no rule should do, and what
// isolation = "request" makes harmless.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

static constinit int calls = 0;

Decision inspect(const Request&) {
  return ++calls < 3 ? allow() : block("third", "This instance has seen two requests");
}
