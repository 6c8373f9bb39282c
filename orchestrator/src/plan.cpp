#include "plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace secbeat::orchestrator {
namespace {

constexpr std::size_t kWhole = 100;  // percent

// A number that a node reports, as far as it can be right: one node must not lead the fleet to numbers that nobody
// reads.
std::uint64_t believed(std::uint64_t reported) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48U;
  return reported < kMost ? reported : 0;
}

std::uint64_t number_of(std::string_view label) {
  std::uint64_t number = 0;
  if (!label.starts_with('v')) return 0;
  const auto [end, error] = std::from_chars(label.data() + 1, label.data() + label.size(), number);
  return error == std::errc{} && end == label.data() + label.size() ? number : 0;
}

// Of "1.4.2" 1, of "1.4.2+3" 3; 0: it is no label of that version.
std::uint64_t times_given(std::string_view label, std::string_view embedded_version) {
  if (!label.starts_with(embedded_version)) return 0;
  label.remove_prefix(embedded_version.size());
  if (label.empty()) return 1;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(label.data() + 1, label.data() + label.size(), number);
  const bool is_number = label.front() == '+' && error == std::errc{} && end == label.data() + label.size();
  return is_number ? believed(number) : 0;
}

// "3" or "25%" of so many, rounded up.
std::optional<std::size_t> part_of(std::string_view text, std::size_t nodes) {
  const bool is_percent = text.ends_with('%');
  if (is_percent) text.remove_suffix(1);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  if (!is_percent) return std::min(number, nodes);
  if (number > kWhole) return std::nullopt;
  return (nodes * number + kWhole - 1) / kWhole;
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    std::string_view part = text.substr(0, text.find(','));
    const std::size_t taken = part.size();
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.push_back(part);
    if (taken == text.size()) return parts;
    text.remove_prefix(taken + 1);
  }
}

}  // namespace

std::uint64_t next_revision(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes) {
  std::uint64_t highest = desired.revision;
  for (const fleet::NodeStatus& node : nodes) {
    for (const fleet::ModuleStatus& module : node.modules) highest = std::max(highest, believed(module.reached));
  }
  return highest + 1;
}

std::string next_label(const fleet::Desired& desired, const std::vector<fleet::NodeStatus>& nodes,
                       std::string_view module, const std::optional<std::string>& embedded_version,
                       const std::vector<fleet::VersionRef>& given) {
  std::set<std::string, std::less<>> used;
  std::uint64_t highest = 0;
  const auto use = [&](const std::vector<fleet::VersionRef>& versions) {
    for (const fleet::VersionRef& version : versions) used.insert(version.label);
  };
  use(given);
  if (const fleet::DesiredModule* wanted = desired.find(module)) {
    used.insert(wanted->version.label);
    use(wanted->before);
    use(wanted->after);
  }
  for (const fleet::NodeStatus& node : nodes) {
    const fleet::ModuleStatus* status = node.find(module);
    if (status == nullptr) continue;
    used.insert(status->version.label);
    highest = std::max(highest, believed(status->highest_label));
  }
  for (const std::string& label : used) highest = std::max(highest, believed(number_of(label)));
  if (!embedded_version) return fmt::format("v{}", highest + 1);
  // Past the highest that is known: those that nobody remembers were lower.
  std::uint64_t times = 0;
  for (const std::string& label : used) times = std::max(times, times_given(label, *embedded_version));
  return times == 0 ? *embedded_version : fmt::format("{}+{}", *embedded_version, times + 1);
}

fleet::Desired with(fleet::Desired desired, const fleet::Order& order) {
  desired.revision = std::max(desired.revision, order.revision);
  const auto found = std::ranges::find(desired.modules, order.module, &fleet::DesiredModule::name);
  if (found == desired.modules.end()) {
    desired.modules.push_back({.name = order.module, .version = order.version, .revision = order.revision});
    return desired;
  }
  // The same version wanted anew is not what was before it.
  if (found->version != order.version) found->before.insert(found->before.begin(), found->version);
  if (found->before.size() > kKeptBefore) found->before.resize(kKeptBefore);
  std::erase(found->after, order.version);
  found->version = order.version;
  found->revision = order.revision;
  return desired;
}

fleet::Desired back_to(fleet::Desired desired, const fleet::Order& order) {
  const auto module = std::ranges::find(desired.modules, order.module, &fleet::DesiredModule::name);
  if (module == desired.modules.end()) return with(std::move(desired), order);
  auto& before = module->before;
  const auto found = std::ranges::find(before, order.version);
  if (found == before.end()) return with(std::move(desired), order);  // forward again, or the same anew
  std::vector<fleet::VersionRef> left{module->version};
  left.insert(left.end(), before.begin(), found);
  before.erase(before.begin(), found + 1);
  module->after.insert(module->after.begin(), left.begin(), left.end());
  if (module->after.size() > kKeptBefore) module->after.resize(kKeptBefore);
  module->version = order.version;
  module->revision = order.revision;
  desired.revision = std::max(desired.revision, order.revision);
  return desired;
}

fleet::Desired anew(fleet::Desired desired, std::string_view module, std::uint64_t revision) {
  const auto found = std::ranges::find(desired.modules, module, &fleet::DesiredModule::name);
  if (found == desired.modules.end()) return desired;
  found->revision = revision;
  desired.revision = std::max(desired.revision, revision);
  return desired;
}

fleet::Desired without(fleet::Desired desired, const fleet::Order& order) {
  std::erase_if(desired.modules, [&](const fleet::DesiredModule& module) { return module.name == order.module; });
  desired.revision = std::max(desired.revision, order.revision) + 1;
  return desired;
}

Result<std::vector<fleet::NodeStatus>> targeted(std::vector<fleet::NodeStatus> nodes, std::string_view target) {
  if (nodes.empty()) return fail(ErrorCode::kNoNodes, "No node is known: is there one with [nats] url?");
  if (target.empty() || target == kAll) return nodes;
  if (const std::size_t equals = target.find('='); equals != target.npos) {
    const std::string label(target.substr(0, equals));
    std::erase_if(nodes, [&](const fleet::NodeStatus& node) {
      const auto found = node.labels.find(label);
      return found == node.labels.end() || found->second != target.substr(equals + 1);
    });
    if (nodes.empty()) return fail(ErrorCode::kNoNodes, fmt::format("No node has the label {}", target));
    return nodes;
  }
  const std::vector<std::string_view> names = parts_of(target);
  for (const std::string_view name : names) {
    if (std::ranges::find(nodes, name, &fleet::NodeStatus::node) != nodes.end()) continue;
    return fail(ErrorCode::kNoNodes, fmt::format("No node {} is known", name));
  }
  std::erase_if(nodes,
                [&](const fleet::NodeStatus& node) { return std::ranges::find(names, node.node) == names.end(); });
  return nodes;
}

Result<std::vector<std::size_t>> waves_of(const fleet::RolloutOptions& options, std::size_t nodes) {
  if (!options.canary.empty() && !options.waves.empty()) {
    return fail(ErrorCode::kBadRequest, "canary and waves: give one of them, \"waves\" says all that \"canary\" does");
  }
  std::vector<std::size_t> waves;
  const bool is_canary = !options.canary.empty();
  const std::string& text = is_canary ? options.canary : options.waves;
  for (const std::string_view part : text.empty() ? std::vector<std::string_view>() : parts_of(text)) {
    const auto reached = part_of(part, nodes);
    if (!reached || (is_canary && part.size() != text.size())) {
      return fail(ErrorCode::kBadRequest, fmt::format("{}: \"{}\" is no number of nodes, such as 1, and no part of "
                                                      "them, such as 25%",
                                                      is_canary ? "canary" : "waves", part));
    }
    // A part of few nodes may be no more than the wave before it.
    if (*reached > (waves.empty() ? 0 : waves.back())) waves.push_back(*reached);
  }
  if (waves.empty() || waves.back() < nodes) waves.push_back(nodes);
  return waves;
}

}  // namespace secbeat::orchestrator
