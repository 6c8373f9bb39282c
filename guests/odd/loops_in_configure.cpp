// Never finishes its configuration.
#include <secbeat/guest.hpp>

#include "loop.hpp"

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

Configured configure(StringView) {
  loop_for_ever();
  return accept();
}

Decision inspect(const Request&) { return allow(); }
