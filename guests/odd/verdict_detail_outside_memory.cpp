// Blocks everything; its verdict_detail is an address outside its memory.
#include "raw_detail.hpp"

SECBEAT_EXPORT("verdict_detail") uint32_t export_detail() { return 0xFFFF'FFF0U; }
