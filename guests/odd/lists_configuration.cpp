// Lets everything pass. The bytes of its configuration are its inventory, whatever they are.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)
SECBEAT_CONFIGURE

static constinit secbeat::abi::Span span{};

Configured configure(StringView text) {
  span = span_of(keep(text));
  return accept();
}

SECBEAT_EXPORT("inventory") const void* export_inventory() { return &span; }

Decision inspect(const Request&) { return allow(); }
