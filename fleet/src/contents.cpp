#include "secbeat/fleet/contents.hpp"

#include <fmt/format.h>

#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {

Result<std::string> get_content(Connection& connection, const std::string& sha256, std::size_t limit) {
  auto bytes = connection.get_object(kModulesBucket, sha256, limit);
  if (!bytes || sha256_hex(*bytes) == sha256) return bytes;
  return fail(ErrorCode::kProtocol, fmt::format("what the fleet keeps as {} are other bytes", sha256));
}

}  // namespace secbeat::fleet
