// The module: rules come as data (docs/rules.md), and the node swaps them as safely as a module.
#include <secbeat/guest.hpp>

#include "module.hpp"

using namespace secbeat::guest;

SECBEAT_MODULE("universal-waf", "1.0.0")
SECBEAT_NEEDS(secbeat::waf::the_module.needs_body() ? secbeat::abi::kNeedsBody : 0U)

SECBEAT_CONFIGURE
Configured configure(StringView text) { return secbeat::waf::the_module.configure(text); }

Decision inspect(const Request& request) { return secbeat::waf::the_module.inspect(request); }

SECBEAT_INVENTORY
void list_rules(Inventory& rules) { secbeat::waf::the_module.list_rules(rules); }
