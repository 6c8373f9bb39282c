// Lets everything pass, after as many turns as its configuration says: 1000 at every request, "1000 nested" only where
// the body begins with '[', as in no sample request but one that is made to be expensive.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE

static constinit uint32_t turns = 0;
static constinit bool nested_only = false;

Configured configure(StringView text) {
  for (const char c : text) {
    if (c >= '0' && c <= '9') turns = turns * 10 + static_cast<uint32_t>(c - '0');
  }
  nested_only = text.contains_ignore_case("nested");
  return accept();
}

Decision inspect(const Request& request) {
  if (nested_only && !request.body().starts_with("[")) return allow();
  for (uint32_t turn = 0; turn < turns; ++turn) __asm__ volatile("");
  return allow();
}
