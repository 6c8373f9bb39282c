#include "fleet_changes.hpp"

#include <fmt/format.h>

#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;

struct Wanted {
  std::string_view what;
  const std::string& sha256;
  std::uint64_t size = 0;
  std::size_t limit = 0;
};

Result<std::string> object(fleet::Connection& connection, const Wanted& wanted) {
  auto bytes = connection.get_object(fleet::kModulesBucket, wanted.sha256, wanted.limit);
  if (!bytes) return bytes;
  if (bytes->size() != wanted.size || sha256_hex(*bytes) != wanted.sha256) {
    return fail(ErrorCode::kProtocol,
                fmt::format("what the fleet keeps as {} {} are other bytes", wanted.what, wanted.sha256));
  }
  return bytes;
}

}  // namespace

Result<FleetBytes> FleetChanges::fetch(const fleet::VersionRef& version) const {
  FleetBytes bytes;
  auto module = object(connection_, {"module", version.sha256, version.size_bytes, config_.max_module_bytes});
  if (!module) return std::unexpected(module.error());
  bytes.module = *std::move(module);
  if (version.config_sha256.empty()) return bytes;
  auto config =
      object(connection_, {"configuration", version.config_sha256, version.config_size_bytes, kMaxConfigBytes});
  if (!config) return std::unexpected(config.error());
  bytes.config = *std::move(config);
  return bytes;
}

Outcome<ReloadResult> FleetChanges::apply(const fleet::Order& order, FleetBytes bytes, Mode mode) const {
  Upload upload;
  upload.kind = UploadKind::kFleet;
  upload.mode = mode;
  upload.gates = order.forced ? Gates::kForced : Gates::kOn;
  upload.file = std::move(bytes.module);
  upload.config = std::move(bytes.config);
  upload.name = order.module;
  if (!order.expected_version.empty()) upload.expected_version = order.expected_version;
  upload.reason = order.reason;
  upload.origin = {.by = order.by, .request_id = order.rollout};
  upload.label = order.version.label;
  return reloader_.reload(upload);
}

}  // namespace secbeat::agent
