// Counts everything against its client's bucket.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request&) { return rate_limit("rate-limit-all", "This module limits every request"); }
