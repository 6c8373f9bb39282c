// Exports inspect_request as (i64) -> i32.
#include <secbeat/guest.hpp>

SECBEAT_EXPORT("inspect_request") int32_t export_inspect(int64_t) { return 0; }
