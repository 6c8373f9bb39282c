// Speaks ABI 2 without alloc: the node writes frames behind the module's memory. Blocks on x-block.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return 2; }

SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char* ptr, uint32_t len) {
  const Request request(ptr, len);
  if (!request.valid()) __builtin_trap();
  return request.has_header("x-block") ? 1 : 0;
}
