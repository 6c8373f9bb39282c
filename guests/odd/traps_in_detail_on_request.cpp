// Passes its rehearsal; blocks a request that has the header x-block, and traps when it is asked why.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return 2; }
SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t len) { return allocate(len); }

static constinit bool blocked = false;

SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char* ptr, uint32_t len) {
  blocked = Request(ptr, len).has_header("x-block");
  return blocked ? 1 : 0;
}

SECBEAT_EXPORT("verdict_detail") const void* export_detail() {
  static constexpr secbeat::abi::VerdictDetail kEmpty{};
  if (blocked) __builtin_trap();
  return &kEmpty;
}
