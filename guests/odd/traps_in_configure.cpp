// Traps while it is configured.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

Configured configure(StringView) { __builtin_trap(); }

Decision inspect(const Request&) { return allow(); }
