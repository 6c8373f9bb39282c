// Speaks ABI 1: reads JSON, and blocks a request that has the header x-block.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t len) { return allocate(len); }
SECBEAT_EXPORT("dealloc") void export_dealloc(uint32_t ptr, uint32_t len) { release(ptr, len); }

SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char* ptr, uint32_t len) {
  const StringView json(ptr, len);
  if (!json.starts_with("{") || !json.ends_with("}")) __builtin_trap();
  return json.contains("\"x-block\"") ? 1 : 0;
}
