#include "secbeat/orchestrator/unused_objects.hpp"

#include <set>
#include <string>

#include "fleet_state.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Names = std::set<std::string, std::less<>>;

void add(Names& names, const fleet::VersionRef& version) {
  names.insert(version.sha256);
  if (!version.config_sha256.empty()) names.insert(version.config_sha256);
}

void add(Names& names, const fleet::Desired& desired) {
  for (const fleet::DesiredModule& module : desired.modules) {
    add(names, module.version);
    for (const fleet::VersionRef& version : module.before) add(names, version);
    for (const fleet::VersionRef& version : module.after) add(names, version);
  }
}

}  // namespace

Result<std::size_t> remove_unused_objects(fleet::Connection& connection, SystemTime time) {
  // Rollouts first: what one of them makes the desired version meanwhile is then still named by it.
  const auto rollouts = connection.list(fleet::kRolloutsBucket);
  if (!rollouts) return std::unexpected(rollouts.error());
  Names wanted;
  for (const fleet::Entry& entry : *rollouts) {
    const auto rollout = fleet::rollout_from_json(entry.value);
    if (!rollout) return std::unexpected(rollout.error());
    add(wanted, rollout->order.version);
  }
  const auto desired = read_desired(connection);
  if (!desired) return std::unexpected(desired.error());
  if (desired->value.modules.empty()) return 0;
  add(wanted, desired->value);
  return connection.remove_objects(fleet::kModulesBucket, time,
                                   [&](std::string_view name) { return wanted.contains(name); });
}

}  // namespace secbeat::orchestrator
