// Its alloc answers with an address behind its memory.
#include <secbeat/guest.hpp>

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return 2; }
SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t) { return 0xFFFF'FF00U; }
SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char*, uint32_t) { return 0; }
