#include "config_check.hpp"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <set>

#include "config_values.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {
namespace {

ModuleConfig module_of(const Draft& draft, const ModuleDraft& module) {
  ModuleConfig result;
  result.name = module.name;
  result.module = absolute_from(draft.base, module.module);
  result.config_is_explicit = module.config.has_value();
  if (module.config) result.config = absolute_from(draft.base, *module.config);
  if (!module.rule_tests.empty()) result.rule_tests = absolute_from(draft.base, module.rule_tests);
  result.on_error = module.on_error.value_or(draft.config.on_error);
  result.isolation = module.isolation.value_or(draft.config.isolation);
  return result;
}

void finish_modules(Draft& draft, Faults& faults) {
  draft.config.on_error = draft.main.on_error.value_or(control::OnError::kPrevious);
  draft.config.isolation = draft.main.isolation.value_or(engine::Isolation::kInstance);
  constexpr std::size_t kMostModules = 16;  // each adds its calls to every request
  if (!draft.main.module.empty()) {
    draft.config.modules.push_back(module_of(draft, draft.main));
    if (!draft.main.config) draft.config.modules.back().config = absolute_from(draft.base, "waf-config.json");
  } else {
    draft.config.notices.emplace_back(
        "waf.wasm.module: not given: requests pass uninspected until a module is uploaded");
  }
  std::set<std::string> names;
  for (const ModuleDraft& module : draft.further) {
    if (module.module.empty()) {
      faults.add(module.line, "waf.wasm.modules.module", "missing: the path of the module's .wasm file");
    }
    if (!module.name.empty() && !names.insert(module.name).second) {
      faults.add(module.line, "waf.wasm.modules.name", fmt::format("\"{}\" is there twice", module.name));
    }
    draft.config.modules.push_back(module_of(draft, module));
  }
  for (const ModuleConfig& module : draft.config.modules) {
    if (module.rule_tests.empty() || draft.config.rehearse == Rehearse::kYes) continue;
    faults.add(line_of(draft, "waf.wasm.validate_before_reload"), "waf.wasm.validate_before_reload",
               "rule_tests are part of the rehearsal: they need true");
    break;
  }
  if (draft.config.modules.size() > kMostModules) {
    faults.add(line_of(draft, "waf.wasm.modules"), "waf.wasm.modules",
               fmt::format("more than {} modules", kMostModules));
  }
}

void finish_signatures(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (!config.trusted_keys.empty()) config.trusted_keys = absolute_from(draft.base, config.trusted_keys);
  if (config.require_signature && config.trusted_keys.empty()) {
    faults.add(line_of(draft, "waf.wasm.require_signature"), "waf.wasm.require_signature",
               "needs trusted_keys: the folder with the public keys whose signatures count");
  }
}

void finish_listeners(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (config.nginx == Nginx::kManaged && config.upstream.empty() && !draft.lines.contains("proxy.upstream")) {
    faults.add(line_of(draft, "proxy.upstream"), "proxy.upstream",
               "missing: \"host:port\" of the site to protect (or nginx = \"external\" for an nginx that you run)");
  }
  if (config.nginx == Nginx::kExternal) {
    for (const char* key : {"proxy.listen", "proxy.upstream", "proxy.workers", "proxy.receipt", "proxy.access_log"}) {
      if (draft.lines.contains(key)) {
        config.notices.push_back(fmt::format("{}: without effect with nginx = \"external\": your nginx says it", key));
      }
    }
  }
  if (config.nginx == Nginx::kManaged && config.proxy.port != 0 && config.proxy.port == config.api.port &&
      config.proxy.host == config.api.host) {
    faults.add(line_of(draft, "api.listen"), "api.listen", "the same address and port as proxy.listen");
  }
}

std::filesystem::path environment_path(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  // The XDG base directory specification: relative paths are to be ignored.
  return value != nullptr && *value == '/' ? std::filesystem::path(value) : std::filesystem::path();
}

std::filesystem::path default_data_dir() {
  if (::geteuid() == 0) return "/var/lib/secbeat";
  if (const auto state = environment_path("XDG_STATE_HOME"); !state.empty()) return state / "secbeat";
  if (const auto home = environment_path("HOME"); !home.empty()) return home / ".local/state/secbeat";
  return {};
}

std::filesystem::path default_state_dir() {
  if (::geteuid() == 0) return "/run/secbeat";
  if (const auto runtime = environment_path("XDG_RUNTIME_DIR"); !runtime.empty()) return runtime / "secbeat";
  return fmt::format("/tmp/secbeat-{}", ::geteuid());
}

void check_folder(const Draft& draft, Faults& faults, std::string_view key, const std::filesystem::path& folder) {
  if (!is_plain_path(folder.string())) {
    faults.add(line_of(draft, key), key,
               fmt::format("{} has characters that nginx cannot be given", printable(folder.string())));
  }
}

bool is_of_this_machine(std::string_view endpoint) {
  const std::string_view host = endpoint.substr(endpoint.find("//") + 2);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

// What is meant to outlive the data directory does not lie in it.
void finish_archive(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  archive::Location& archive = config.archive;
  for (std::filesystem::path* file : {&archive.credentials, &archive.tls_ca}) {
    if (!file->empty()) *file = absolute_from(draft.base, *file);
  }
  if (archive.bucket.empty()) {
    for (const char* key : {"archive.endpoint", "archive.region", "archive.credentials", "archive.tls_ca"}) {
      if (draft.lines.contains(key)) {
        config.notices.push_back(fmt::format("{}: without effect: it is for archives in S3 (url = \"s3://…\")", key));
      }
    }
  } else if (archive.endpoint.starts_with("http://") && !is_of_this_machine(archive.endpoint)) {
    config.notices.push_back(
        fmt::format("archive.endpoint: {} has no TLS: what is archived can be read on its way", archive.endpoint));
  }
  if (archive.folder.empty()) return;
  archive.folder = absolute_from(draft.base, archive.folder);
  for (const auto& [folder, key] : {std::pair(config.data_dir, "data_dir"), std::pair(config.state_dir, "state_dir")}) {
    const std::filesystem::path rest = archive.folder.lexically_relative(folder);
    if (folder.empty() || rest.empty() || *rest.begin() == "..") continue;
    faults.add(line_of(draft, "archive.url"), "archive.url",
               fmt::format("{} lies in node.{} and would be lost with it: give a folder of its own",
                           archive.folder.string(), key));
  }
}

void finish_nats(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  for (std::filesystem::path* file : {&config.nats_credentials, &config.nats_nkey_seed, &config.nats_tls_ca,
                                      &config.nats_tls_certificate, &config.nats_tls_key}) {
    if (!file->empty()) *file = absolute_from(draft.base, *file);
  }
  if (config.nats_tls_certificate.empty() != config.nats_tls_key.empty()) {
    faults.add(line_of(draft, "nats.tls_certificate"), "nats.tls_certificate",
               "certificate and key go together: give nats.tls_certificate and nats.tls_key");
  }
  if (config.nats_nkey.empty() != config.nats_nkey_seed.empty()) {
    faults.add(line_of(draft, "nats.nkey"), "nats.nkey",
               "public key and seed go together: give nats.nkey and nats.nkey_seed");
  }
}

// The host's, or `otherwise`.
std::string own_name(std::string_view otherwise) {
  std::array<char, 256> name{};
  const bool known = ::gethostname(name.data(), name.size() - 1) == 0 && is_name(name.data());
  return known ? name.data() : std::string(otherwise);
}

void finish_orchestrator(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (config.orchestrator.name.empty()) config.orchestrator.name = own_name("orchestrator");
  if (config.nats_url.empty() && !draft.lines.contains("nats.url")) {
    faults.add(line_of(draft, "nats.url"), "nats.url",
               "missing: the NATS servers with JetStream, such as \"nats://127.0.0.1:4222\"");
  }
  finish_archive(draft, faults);
  finish_access(draft, faults);
  finish_nats(draft, faults);
}

void finish_node(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (config.node_name.empty()) config.node_name = own_name("node");
  config.data_dir = config.data_dir.empty() ? default_data_dir() : absolute_from(draft.base, config.data_dir);
  config.state_dir = config.state_dir.empty() ? default_state_dir() : absolute_from(draft.base, config.state_dir);
  if (!config.nginx_binary.empty()) config.nginx_binary = absolute_from(draft.base, config.nginx_binary);
  if (config.data_dir.empty()) {
    faults.add(line_of(draft, "node.data_dir"), "node.data_dir",
               "there is no home directory to default to: give a folder");
  }
  if (config.data_dir == config.state_dir && !config.data_dir.empty()) {
    faults.add(line_of(draft, "node.state_dir"), "node.state_dir", "the same folder as node.data_dir");
  }
  finish_archive(draft, faults);
  check_folder(draft, faults, "node.data_dir", config.data_dir);
  check_folder(draft, faults, "node.state_dir", config.state_dir);
  const std::string socket = control::StatePaths{config.state_dir}.socket().string();
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
    faults.add(line_of(draft, "node.state_dir"), "node.state_dir",
               fmt::format("{} characters are too long: a unix socket's path holds {}", socket.size(),
                           sizeof(sockaddr_un::sun_path) - 1));
  }
}

}  // namespace

int line_of(const Draft& draft, std::string_view key) {
  for (std::string_view at = key; !at.empty(); at = at.substr(0, at.rfind('.') == at.npos ? 0 : at.rfind('.'))) {
    const auto found = draft.lines.find(at);
    if (found != draft.lines.end()) return found->second;
  }
  return 1;
}

std::filesystem::path absolute_from(const std::filesystem::path& base, const std::filesystem::path& path) {
  const std::filesystem::path result = (base / path).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

void finish(Draft& draft, Faults& faults) {
  if (draft.program == Program::kOrchestrator) return finish_orchestrator(draft, faults);
  finish_modules(draft, faults);
  finish_signatures(draft, faults);
  finish_listeners(draft, faults);
  finish_access(draft, faults);
  finish_node(draft, faults);
  finish_nats(draft, faults);
}

}  // namespace secbeat::agent
