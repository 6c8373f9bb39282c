// Never answers, so that its rehearsal runs into the deadline.
#include <secbeat/guest.hpp>

#include "loop.hpp"

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request&) {
  loop_for_ever();
  return allow();
}
