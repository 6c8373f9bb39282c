#include "initial_modules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reloader_impl.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

std::unexpected<Error> cannot_load(const ModuleConfig& module, const Config& config, const Error& error) {
  return fail(error.code, fmt::format("The module {} cannot be loaded: {}; correct it, or the configuration file {}",
                                      module.module.string(), error.message, config.file.string()));
}

Result<std::string> configuration_of(const ModuleConfig& module, const engine::ModuleInfo& info) {
  if (module.config.empty()) return std::string();
  if (!module.config_is_explicit) {
    std::error_code error;
    if (!info.exports_configure || !std::filesystem::exists(module.config, error)) return std::string();
  }
  if (!info.exports_configure) return std::unexpected(without_configure(module.module.filename().string()));
  return read_file(module.config, VersionStore::kMaxConfigBytes);
}

// A name that only the place in the chain can give: the chain stands in the order of the file.
std::string name_by_place(const ModuleConfig& module, const std::vector<InitialModule>& before,
                          const control::InForce& found) {
  std::string stem = module.module.stem().string();
  if (found.find(stem) != nullptr || before.size() >= found.slots.size()) return stem;
  const std::string& name = found.slots[before.size()].name;
  return std::ranges::find(before, name, &InitialModule::name) == before.end() ? name : stem;
}

Result<InitialModule> read_module(const ModuleConfig& module, const Config& config, const control::InForce& found,
                                  const std::vector<InitialModule>& before) {
  InitialModule initial{.name = module.name, .candidate = {}, .problem = {}, .signature = {}};
  auto bytes = read_file(module.module, config.max_module_bytes);
  auto info = bytes ? engine::read_module_info(*bytes) : Result<engine::ModuleInfo>(std::unexpected(bytes.error()));
  if (initial.name.empty() && info) initial.name = info->embedded_name.value_or(module.module.stem().string());
  if (initial.name.empty()) initial.name = name_by_place(module, before, found);

  auto settings = info ? configuration_of(module, *info) : Result<std::string>(std::unexpected(info.error()));
  if (settings) {
    initial.candidate = make_candidate(initial.name, *std::move(bytes), *std::move(settings), *std::move(info));
    if (auto signature = read_file(signature_path(module.module), kMaxSignatureBytes)) {
      initial.signature = *std::move(signature);
    }
  } else if (found.find(initial.name) != nullptr) {
    initial.problem = settings.error().message;
  } else {
    return cannot_load(module, config, settings.error());
  }
  return initial;
}

}  // namespace

Result<std::vector<InitialModule>> read_initial_modules(const Config& config, const control::InForce& found) {
  std::vector<InitialModule> modules;
  for (const ModuleConfig& module : config.modules) {
    auto initial = read_module(module, config, found, modules);
    if (!initial) return std::unexpected(initial.error());
    if (!engine::is_module_name(initial->name)) {
      return cannot_load(
          module, config,
          {ErrorCode::kConfig, fmt::format("\"{}\" cannot name a module; give it a name", initial->name)});
    }
    if (std::ranges::find(modules, initial->name, &InitialModule::name) != modules.end()) {
      return cannot_load(
          module, config,
          {ErrorCode::kConfig, fmt::format("another module is called {} as well; give it a name", initial->name)});
    }
    modules.push_back(*std::move(initial));
  }
  return modules;
}

}  // namespace secbeat::agent
