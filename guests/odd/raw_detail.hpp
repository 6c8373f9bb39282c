// The exports of a module that blocks everything and has a verdict_detail of its own.
#pragma once

#include <secbeat/guest.hpp>

SECBEAT_EXPORT("secbeat_abi") int32_t export_abi() { return 2; }
SECBEAT_EXPORT("alloc") uint32_t export_alloc(uint32_t len) { return secbeat::guest::allocate(len); }
SECBEAT_EXPORT("inspect_request") int32_t export_inspect(const char*, uint32_t) { return 1; }
