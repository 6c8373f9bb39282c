// Lets everything pass and has it recorded.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request&) { return log_only("log-all", "This module records every request"); }
