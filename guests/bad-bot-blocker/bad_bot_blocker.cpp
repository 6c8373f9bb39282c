// Keeps known scanners out, and everybody out of /admin.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

// The same source is built under several versions, so that there is something to replace it with.
#if !defined(BAD_BOT_BLOCKER_VERSION)
#define BAD_BOT_BLOCKER_VERSION "1.0.0"
#endif
#if !defined(BAD_BOT_BLOCKER_MORE_AGENTS)
#define BAD_BOT_BLOCKER_MORE_AGENTS
#endif

SECBEAT_MODULE("bad-bot-blocker", BAD_BOT_BLOCKER_VERSION)
SECBEAT_NEEDS(0)

static constexpr StringView kBadAgents[] = {"BadBot", "SQLMap", "Nmap", "Nikto" BAD_BOT_BLOCKER_MORE_AGENTS};

static bool is_admin_path(StringView path) {
  static constinit Buffer<64> normalized;
  normalize_path(path, normalized);
  constexpr StringView kAdmin = "/admin";
  const StringView rest = normalized.view().from(kAdmin.size());
  return normalized.view().starts_with_ignore_case(kAdmin) && (rest.empty() || rest.starts_with("/"));
}

static bool is_bad_agent(StringView agent) {
  for (const StringView bad : kBadAgents) {
    if (agent.contains_ignore_case(bad)) return true;
  }
  return false;
}

Decision inspect(const Request& request) {
  if (is_admin_path(request.path())) return block("admin-path", "The path is under /admin");
  for (const Header header : request) {
    if (header.name == "user-agent" && is_bad_agent(header.value)) {
      return block("bad-user-agent", "The user agent is a known scanner");
    }
  }
  return allow();
}
