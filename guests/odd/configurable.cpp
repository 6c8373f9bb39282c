// Blocks a request whose URI contains the configured text; without one, none.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

static constinit StringView forbidden;
static constinit Buffer<256> message;

Configured configure(StringView text) {
  forbidden = keep(text.trimmed());
  return accept();
}

Decision inspect(const Request& request) {
  if (forbidden.empty() || !request.uri().contains(forbidden)) return allow();
  message.clear();
  message.append("The URI contains ");
  message.append(forbidden);
  return block("configured-text", message.view());
}
