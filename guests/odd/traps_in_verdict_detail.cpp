// Blocks everything, and traps when it is asked why.
#include "raw_detail.hpp"

SECBEAT_EXPORT("verdict_detail") const void* export_detail() { __builtin_trap(); }
