// Passes its rehearsal, whose requests come from documentation addresses, and turns hostile in service: at every
// request from this machine it does what HOSTILITY names.
#include <secbeat/guest.hpp>

#include "loop.hpp"

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

[[maybe_unused]] static Decision traps() { __builtin_trap(); }

[[maybe_unused]] static Decision loops() {
  loop_for_ever();
  return allow();
}

[[maybe_unused]] static Decision eats_memory() {
  while (allocate(65536) != 0) continue;
  __builtin_trap();
}

// The address that escapes keeps each call's frame in memory and the recursion a recursion.
[[gnu::noinline]] static int descend(int depth) {
  const volatile int here = depth;
  return depth < 0 ? 0 : descend(depth + 1) + here;
}
[[maybe_unused]] static Decision overflows_stack() { return {.score = descend(0)}; }

[[maybe_unused]] static Decision returns_seven() { return {.verdict = static_cast<Verdict>(7)}; }

Decision inspect(const Request& request) { return request.source_ip().starts_with("127.") ? HOSTILITY() : allow(); }
