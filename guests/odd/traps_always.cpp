// Traps at every request, so that its rehearsal fails.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request&) { __builtin_trap(); }
