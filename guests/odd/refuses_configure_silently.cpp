// Rejects every configuration and exports no configure_error.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE

SECBEAT_EXPORT("configure") int32_t export_configure(const char*, uint32_t) { return 41; }

Decision inspect(const Request&) { return allow(); }
