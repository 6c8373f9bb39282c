// Blocks a request whose body contains "attack".
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(secbeat::abi::kNeedsBody)

Decision inspect(const Request& request) {
  return request.body().contains("attack") ? block("attack-in-body", "The body contains \"attack\"") : allow();
}
