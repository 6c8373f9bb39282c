// Lets everything pass, and lists the rules that it would have.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)
SECBEAT_INVENTORY

static constexpr StringView kBadAgents[] = {"Nikto", "SQLMap"};

void list_rules(Inventory& rules) {
  rules.add("admin-path", "/admin", "access", "path");
  for (const StringView agent : kBadAgents) rules.add(agent, agent);
}

Decision inspect(const Request&) { return allow(); }
