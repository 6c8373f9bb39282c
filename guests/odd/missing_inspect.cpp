// Exports memory and alloc, but no inspect_request.
#include <secbeat/guest.hpp>

SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t len) { return secbeat::guest::allocate(len); }
