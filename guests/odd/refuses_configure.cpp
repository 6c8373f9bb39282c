// Rejects every configuration, and says why.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

Configured configure(StringView) { return reject("rule 3: the pattern is not closed"); }

Decision inspect(const Request&) { return allow(); }
