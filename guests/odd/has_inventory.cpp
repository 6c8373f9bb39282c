// Lets everything pass, and lists the rules that it would have.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

static constexpr StringView kInventory = R"([{"id":"first","hash":"01","tags":["sqli"]},{"id":"second","hash":"02"}])";
static constinit secbeat::abi::Span span{};

SECBEAT_EXPORT("inventory") const void* export_inventory() {
  span = span_of(kInventory);
  return &span;
}

Decision inspect(const Request&) { return allow(); }
