// nginx is there, and takes our module.
#include <fmt/format.h>
#include <unistd.h>

#include "doctor_parts.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "supervisor_spawn.hpp"

namespace secbeat::agent {
namespace {

// As little as makes nginx load the module and read one of its directives. Listens nowhere.
constexpr std::string_view kTinyConfig = R"(load_module "{module}";
{user}pid "{folder}/nginx.pid";
error_log stderr;
events {{ }}
http {{
    secbeat_state "{folder}";
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
}}
)";

Result<void> try_module_in(const Config& config, const std::filesystem::path& nginx,
                           const std::filesystem::path& module) {
  auto folder = TemporaryFolder::make();
  if (!folder) return std::unexpected(folder.error());
  const std::filesystem::path file = folder->path() / "nginx.conf";
  const std::string text =
      fmt::format(kTinyConfig, fmt::arg("module", module.string()), fmt::arg("folder", folder->path().string()),
                  fmt::arg("user", ::geteuid() == 0 ? fmt::format("user {};\n", config.worker_user) : ""));
  if (auto written = write_file_atomically(file, text); !written) return written;
  NginxPaths paths;
  paths.prefix = folder->path();
  return test_nginx_config(nginx, paths, file, UniqueFd());
}

}  // namespace

void examine_nginx(const Config& config, Findings& findings) {
  const auto nginx = find_nginx(config);
  if (!nginx) {
    findings.push_back({"nginx", Health::kFailure, "not found", nginx.error().message});
    return;
  }
  const auto version = nginx_version(*nginx);
  if (!version) {
    findings.push_back(
        {"nginx", Health::kFailure, version.error().message, "install nginx: apt-get install nginx-core"});
    return;
  }
  findings.push_back({"nginx", Health::kOk, fmt::format("{} {}", nginx->string(), *version), ""});
  const auto module = find_nginx_module();
  if (!module) {
    findings.push_back({"nginx module", Health::kFailure, module.error().message,
                        "install SecBeat's nginx module beside this program, or name it in SECBEAT_NGINX_MODULE"});
    return;
  }
  if (const auto loads = try_module_in(config, *nginx, *module); !loads) {
    findings.push_back({"nginx module", Health::kFailure,
                        fmt::format("{}: {}", module->string(), loads.error().message),
                        "build the module for this nginx: it fits one version and its build options"});
    return;
  }
  findings.push_back({"nginx module", Health::kOk, fmt::format("{} loads in it", module->string()), ""});
}

}  // namespace secbeat::agent
