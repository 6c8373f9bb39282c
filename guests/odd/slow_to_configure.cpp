// Needs a noticeable part of a second to be configured; traps at a request that has the header x-trap. Errors that
// follow each other come faster than instances can be made.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

static constexpr int kSteps = 200'000'000;  // 0.1 to 0.3 s of CPU time

Configured configure(StringView) {
  for (int step = 0; step < kSteps; ++step) __asm__ volatile("");
  return accept();
}

Decision inspect(const Request& request) {
  if (request.has_header("x-trap")) __builtin_trap();
  return allow();
}
