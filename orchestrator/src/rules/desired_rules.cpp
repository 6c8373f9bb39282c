#include "desired_rules.hpp"

#include <fmt/format.h>

#include "secbeat/base/files.hpp"
#include "secbeat/fleet/contents.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;  // as a node takes
constexpr std::size_t kMaxModuleBytes = std::size_t{64} << 20U;
constexpr std::size_t kMaxShippedBytes = std::size_t{4} << 20U;

}  // namespace

Result<std::string> DesiredRulesReader::object(Cached& cached, const std::string& sha256, std::size_t limit) {
  if (sha256.empty()) return std::string();
  {
    const std::scoped_lock lock(mutex_);
    if (cached.sha256 == sha256) return cached.bytes;
  }
  auto bytes = fleet::get_content(connection_, sha256, limit);
  if (!bytes) return bytes;
  const std::scoped_lock lock(mutex_);
  cached = {sha256, *bytes};
  return bytes;
}

Result<DesiredRules> DesiredRulesReader::read() {
  const auto desired = rollouts_.desired();
  if (!desired) return std::unexpected(desired.error());
  DesiredRules rules;
  if (const fleet::DesiredModule* module = desired->find(agent::kRulesModule)) {
    rules.config_sha256 = module->version.config_sha256;
    rules.module_sha256 = module->version.sha256;
    rules.version = module->version.label;
    rules.revision = module->revision;
  }
  const auto text = object(config_, rules.config_sha256, kMaxConfigBytes);
  if (!text) return std::unexpected(text.error());
  auto document = agent::RuleDocument::read(*text);
  if (!document) {
    return fail(ErrorCode::kInternal, "What is desired cannot be read: " + document.error().message);
  }
  rules.document = *std::move(document);
  rules.etag = agent::etag_of(*text);
  return rules;
}

Result<std::string> DesiredRulesReader::module_of(const DesiredRules& rules) {
  return rules.module_sha256.empty() ? first_module() : object(module_, rules.module_sha256, kMaxModuleBytes);
}

std::string DesiredRulesReader::shipped_signature() const {
  return read_file(shipped_.string() + ".sig", fleet::kMaxSignatureText).value_or("");
}

Result<std::string> DesiredRulesReader::first_module() const {
  const auto nodes = rollouts_.nodes();
  if (!nodes) return std::unexpected(nodes.error());
  for (const fleet::NodeStatus& node : *nodes) {
    const fleet::ModuleStatus* status = node.find(agent::kRulesModule);
    if (status == nullptr || status->version.config_sha256.empty()) continue;
    return fail(ErrorCode::kVersionConflict,
                fmt::format("{0} serves {1} with rules of its own, which the fleet does not know and which would be "
                            "lost: bring them to the fleet once, with secbeat fleet reload {1}.wasm --config "
                            "waf-config.json",
                            node.node, agent::kRulesModule));
  }
  auto bytes = read_file(shipped_, kMaxShippedBytes);
  if (bytes) return bytes;
  return fail(ErrorCode::kUnknownModule,
              fmt::format("The fleet has no module {0} yet, and the one that comes with this orchestrator cannot be "
                          "read: {1}; bring one with secbeat fleet reload {0}.wasm",
                          agent::kRulesModule, bytes.error().message));
}

}  // namespace secbeat::orchestrator
