// Blocks a request that has the header x-block, with texts that would forge log lines and steer terminals.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_CONFIGURE
SECBEAT_NEEDS(0)

Configured configure(StringView text) {
  if (text.empty()) return accept();
  return reject("no\n2026-01-01T00:00:00.000Z info FORGED \x1b[2J\xff\xc2\x9b");
}

Decision inspect(const Request& request) {
  if (!request.has_header("x-block")) return allow();
  return block("rule\x1b]0;title\x07\nFORGED", "message\r\nFORGED: header\x1b[31m\xe2\x80\xae\xff\xc2\x9b");
}
