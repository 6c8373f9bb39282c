// Decides nothing and looks at nothing: what an inspection costs without the module. Speaks the ABI that the build
// says.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return EMPTY_ABI; }
SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t len) { return allocate(len); }
SECBEAT_EXPORT("dealloc") void export_dealloc(uint32_t ptr, uint32_t len) { release(ptr, len); }
SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char*, uint32_t) { return 0; }
