// Keeps visitors out of folders of version control.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_MODULE("@NAME@", "0.1.0")
SECBEAT_NEEDS(0)  // no bodies; without this line they are given

static constexpr StringView kPrivate[] = {"/.git", "/.svn"};

// Looks at the path as a server does, and not as it was sent: "/x/..//%2egit" is "/.git".
static bool is_private(StringView path) {
  static constinit Buffer<64> normalized;
  normalize_path(path, normalized);
  for (const StringView folder : kPrivate) {
    const StringView rest = normalized.view().from(folder.size());
    if (normalized.view().starts_with_ignore_case(folder) && (rest.empty() || rest.starts_with("/"))) return true;
  }
  return false;
}

Decision inspect(const Request& request) {
  if (is_private(request.path())) return block("private-folder", "The path is in a folder of version control");
  return allow();
}
