#include "plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace secbeat::orchestrator {
namespace {

std::uint64_t number_of(std::string_view label) {
  std::uint64_t number = 0;
  if (!label.starts_with('v')) return 0;
  const auto [end, error] = std::from_chars(label.data() + 1, label.data() + label.size(), number);
  return error == std::errc{} && end == label.data() + label.size() ? number : 0;
}

}  // namespace

std::uint64_t next_revision(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes) {
  std::uint64_t highest = desired.revision;
  for (const fleet::NodeStatus& node : nodes) {
    for (const fleet::ModuleStatus& module : node.modules) highest = std::max(highest, module.reached);
  }
  return highest + 1;
}

std::string next_label(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes,
                       std::string_view module, const std::optional<std::string>& embedded_version) {
  std::set<std::string, std::less<>> used;
  std::uint64_t highest = 0;
  if (const fleet::DesiredModule* wanted = desired.find(module)) {
    used.insert(wanted->version.label);
    for (const fleet::VersionRef& before : wanted->before) used.insert(before.label);
  }
  for (const fleet::NodeStatus& node : nodes) {
    const fleet::ModuleStatus* status = node.find(module);
    if (status == nullptr) continue;
    used.insert(status->version.label);
    highest = std::max(highest, status->highest_label);
  }
  for (const std::string& label : used) highest = std::max(highest, number_of(label));
  if (!embedded_version) return fmt::format("v{}", highest + 1);
  std::string label = *embedded_version;
  for (std::uint64_t n = 2; used.contains(label); ++n) label = fmt::format("{}+{}", *embedded_version, n);
  return label;
}

fleet::Desired with(fleet::Desired desired, const fleet::Order& order) {
  desired.revision = order.revision;
  const auto found = std::ranges::find(desired.modules, order.module, &fleet::DesiredModule::name);
  if (found == desired.modules.end()) {
    desired.modules.push_back({.name = order.module, .version = order.version, .revision = order.revision});
    return desired;
  }
  found->before.insert(found->before.begin(), found->version);
  if (found->before.size() > kKeptBefore) found->before.resize(kKeptBefore);
  found->version = order.version;
  found->revision = order.revision;
  return desired;
}

}  // namespace secbeat::orchestrator
