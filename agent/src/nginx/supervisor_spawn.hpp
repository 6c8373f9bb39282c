// Runs the nginx binary: its version, the test of a configuration, a master.
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "nginx_config.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// config.nginx_binary, else what PATH, /usr/sbin and /usr/local/sbin have. kConfig says how to get nginx.
Result<std::filesystem::path> find_nginx(const Config& config);
// ngx_http_secbeat_module.so: $SECBEAT_NGINX_MODULE, else relative to this binary (build tree, installed), else
// where Debian keeps nginx' modules.
Result<std::filesystem::path> find_nginx_module();

// "1.22.1"; kConfig where the binary is no nginx.
Result<std::string> nginx_version(const std::filesystem::path& nginx);

// nginx -t with this file; kConfig with nginx' own reason.
Result<void> test_nginx_config(const std::filesystem::path& nginx, const NginxPaths& paths,
                               const std::filesystem::path& file, const UniqueFd& listener);

struct StartedNginx {
  pid_t pid = 0;
  UniqueFd pidfd;
};
// A master in a session of its own that takes over `listener` and nothing else of ours; returns when it has read
// its configuration and written its pid. It stays when this process ends. kConfig with nginx' reason.
Result<StartedNginx> start_nginx(const std::filesystem::path& nginx, const NginxPaths& paths, const UniqueFd& listener);

}  // namespace secbeat::agent
