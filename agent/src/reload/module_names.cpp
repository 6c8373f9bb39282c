#include "module_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace secbeat::agent {
namespace {

Outcome<std::string> checked(const std::string& name) {
  if (engine::is_module_name(name)) return name;
  return refuse(
      ErrorCode::kBadRequest,
      "The name must be 1 to 64 letters, digits, dots, underscores or hyphens, and begin with a letter or digit");
}

std::unexpected<Failure> unknown_module(const std::string& name, const control::InForce& in_force) {
  std::vector<std::string> names = names_in(in_force);
  const std::string known =
      names.empty() ? "no module is loaded" : fmt::format("there are: {}", fmt::join(names, ", "));
  std::string subject = name.empty() ? "There is no module to name" : fmt::format("Unknown module {}", name);
  if (in_force.find(name) != nullptr) {
    subject = fmt::format("{} was removed; a rollback or an upload of that name brings it back", name);
  }
  return refuse(ErrorCode::kUnknownModule, fmt::format("{}; {}", subject, known), std::move(names));
}

}  // namespace

std::unexpected<Failure> refuse(ErrorCode code, std::string message, std::vector<std::string> names) {
  return std::unexpected(Failure{.error = {code, std::move(message)},
                                 .about_module = false,
                                 .current_version = {},
                                 .retry_after_seconds = {},
                                 .names = std::move(names),
                                 .workers = {}});
}

std::vector<std::string> names_in(const control::InForce& in_force) {
  std::vector<std::string> names;
  names.reserve(in_force.slots.size());
  for (const control::Slot& slot : in_force.slots) {
    if (!slot.is_removed()) names.push_back(slot.name);
  }
  return names;
}

std::string default_module(const control::InForce& in_force, const std::vector<std::string>& config_names) {
  if (!config_names.empty() && !config_names.front().empty() &&
      (in_force.slots.empty() || in_force.find(config_names.front()) != nullptr)) {
    return config_names.front();
  }
  const auto first = std::ranges::find_if(in_force.slots, [](const auto& slot) { return !slot.is_removed(); });
  if (first != in_force.slots.end()) return first->name;
  return in_force.slots.empty() ? std::string() : in_force.slots.front().name;
}

Outcome<control::Slot> find_module(const control::InForce& in_force, const std::vector<std::string>& config_names,
                                   const std::optional<std::string>& name) {
  const std::string wanted = name.value_or(default_module(in_force, config_names));
  const control::Slot* slot = in_force.find(wanted);
  if (slot == nullptr) return unknown_module(wanted, in_force);
  return *slot;
}

Outcome<control::Slot> find_in_chain(const control::InForce& in_force, const std::vector<std::string>& config_names,
                                     const std::optional<std::string>& name) {
  auto slot = find_module(in_force, config_names, name);
  if (slot && slot->is_removed()) return unknown_module(slot->name, in_force);
  return slot;
}

Outcome<std::string> name_of_file(const Upload& upload, const Result<engine::ModuleInfo>& info,
                                  const std::string& default_name) {
  if (upload.name) return checked(*upload.name);
  const std::optional<std::string> embedded = info ? info->embedded_name : std::nullopt;
  if (embedded) return checked(*embedded);
  if (!default_name.empty()) return default_name;
  return refuse(ErrorCode::kBadRequest, "The module embeds no name and the node has none to replace; give a name");
}

Outcome<std::string> name_of_configuration(const Upload& upload, const control::InForce& in_force,
                                           const std::vector<std::string>& configurable) {
  if (!upload.config) return refuse(ErrorCode::kMissingFile, "The form has neither a file nor a config; send one");
  if (upload.name) {
    const control::Slot* slot = in_force.find(*upload.name);
    if (slot == nullptr || slot->is_removed()) return unknown_module(*upload.name, in_force);
    return *upload.name;
  }
  if (configurable.size() == 1) return configurable.front();
  if (configurable.empty()) {
    return refuse(ErrorCode::kBadRequest,
                  "No module that is loaded takes a configuration; name the module or send a file", names_in(in_force));
  }
  return refuse(ErrorCode::kBadRequest,
                fmt::format("Several modules take a configuration; name one of {}", fmt::join(configurable, ", ")),
                configurable);
}

}  // namespace secbeat::agent
