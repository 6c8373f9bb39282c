// Speaks a version of the ABI that does not exist yet.
#include <secbeat/guest.hpp>

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return 3; }
SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char*, uint32_t) { return 0; }
