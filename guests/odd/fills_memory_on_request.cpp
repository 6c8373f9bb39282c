// Passes its rehearsal; at a request that has the header x-loop fills 12 MiB over and over, each time with one
// instruction: what a node cannot stop before that instruction has ended.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

constexpr uint32_t kBytes = 12U << 20U;

Decision inspect(const Request& request) {
  if (!request.has_header("x-loop")) return allow();
  auto* const block = reinterpret_cast<unsigned char*>(allocate(kBytes));
  if (block == nullptr) return allow();
  for (volatile int value = 0;; value = value + 1) __builtin_memset(block, value, kBytes);
}
