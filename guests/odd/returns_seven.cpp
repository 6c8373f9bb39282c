// Answers with a verdict that does not exist, so that its rehearsal fails.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

Decision inspect(const Request&) { return {.verdict = static_cast<Verdict>(7)}; }
