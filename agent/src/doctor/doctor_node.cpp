// What a configuration needs of this machine.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "config_values.hpp"
#include "doctor_parts.hpp"
#include "nginx_config.hpp"
#include "node_folders.hpp"
#include "node_permissions.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/http/tls.hpp"
#include "supervisor_listener.hpp"
#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;

// A handful of artifacts of large modules, and nginx' temporary files.
constexpr std::uint64_t kWantedBytes = std::uint64_t{512} << 20U;
// What renews certificates by itself has done so by then.
constexpr std::chrono::days kRenewBefore{14};

// The folder itself, or the nearest above it that exists.
fs::path existing(fs::path folder) {
  std::error_code error;
  while (!folder.empty() && folder != folder.root_path() && !fs::exists(folder, error)) folder = folder.parent_path();
  return folder;
}

Finding folder_finding(const std::string& key, const fs::path& folder, const WorkerIdentity& workers) {
  const fs::path there = existing(folder);
  std::error_code error;
  Finding finding{key, Health::kOk, folder.string(), ""};
  if (!fs::is_directory(there, error)) {
    finding.health = Health::kFailure;
    finding.advice = fmt::format("{} is in the way: a folder belongs there", there.string());
  } else if (::access(there.c_str(), W_OK | X_OK) != 0) {
    finding.health = Health::kFailure;
    finding.advice = fmt::format("this user may not write in {}: run the node as its owner, or give another [node] {}",
                                 there.string(), key);
  } else if (const auto reach = check_way(there, workers); !reach) {
    finding.health = Health::kFailure;
    finding.advice = reach.error().message;
  } else if (there != folder) {
    finding.found += " (made when the node starts)";
  }
  return finding;
}

bool is_this_program(pid_t pid) {
  std::error_code error;
  const fs::path theirs = fs::read_symlink(fmt::format("/proc/{}/exe", pid), error);
  return !error && theirs == fs::read_symlink("/proc/self/exe", error);
}

// Taken by the node that runs with this configuration, or by its nginx.
bool is_of_this_node(const Config& config, pid_t pid) {
  const auto ours = nginx_processes_in(nginx_paths(config).prefix);
  return is_this_program(pid) || std::ranges::count(ours, pid, &NginxProcess::pid) != 0;
}

Finding port_finding(const Config& config, const std::string& check, const Listen& listen) {
  const std::string address = to_text(listen);
  if (listen.port == 0) return {check, Health::kOk, fmt::format("{}: any free one", address), ""};
  const auto bound = bind_listener(listen);
  if (bound) return {check, Health::kOk, fmt::format("{} is free", address), ""};
  const auto owners = port_owners(listen.port);
  const auto ours = std::ranges::find_if(owners, [&](pid_t pid) { return is_of_this_node(config, pid); });
  if (ours != owners.end()) {
    return {check, Health::kOk, fmt::format("{}: a node runs here ({})", address, describe_process(*ours)), ""};
  }
  return {check, Health::kFailure, fmt::format("{} cannot be used", address), bound.error().message};
}

}  // namespace

void examine_files(const Config& config, Findings& findings) {
  for (const std::string& notice : config.notices) {
    findings.push_back({"configuration", Health::kWarning, notice, ""});
  }
  for (const ModuleConfig& module : config.modules) {
    std::error_code error;
    const bool there = fs::is_regular_file(module.module, error) && ::access(module.module.c_str(), R_OK) == 0;
    findings.push_back({"module file", there ? Health::kOk : Health::kFailure, module.module.string(),
                        there ? "" : "it cannot be read: give the path of the .wasm file"});
    if (module.config_is_explicit && !fs::is_regular_file(module.config, error)) {
      findings.push_back({"module configuration", Health::kFailure, module.config.string(), "it does not exist"});
    }
  }
}

void examine_signatures(const Config& config, Findings& findings) {
  if (config.trusted_keys.empty()) return;
  Finding finding{"trusted keys", Health::kOk, config.trusted_keys.string(), ""};
  const auto trusted = read_trusted_keys(config.trusted_keys);
  if (!trusted) {
    finding.health = Health::kFailure;
    finding.advice = trusted.error().message;
  } else if (trusted->keys.empty() || !trusted->problems.empty()) {
    finding.health = Health::kWarning;
    finding.advice = trusted->problems.empty() ? "it has no key *.pub: no signature counts"
                                               : fmt::format("{}", fmt::join(trusted->problems, "; "));
  }
  findings.push_back(std::move(finding));
}

void examine_certificate(const Config& config, Findings& findings) {
  if (config.tls_certificate.empty()) return;
  Finding finding{"api certificate", Health::kOk, config.tls_certificate.string(), ""};
  const auto certificate = http::load_certificate(config.tls_certificate, config.tls_key);
  if (!certificate) {
    finding.health = Health::kFailure;
    finding.advice = certificate.error().message;
  } else {
    const SystemTime expires = (*certificate)->expires;
    const auto now = std::chrono::system_clock::now();
    finding.found += fmt::format(" (until {:%Y-%m-%d})", fmt::gmtime(std::chrono::system_clock::to_time_t(expires)));
    if (expires < now) {
      finding.health = Health::kFailure;
      finding.advice =
          "it has expired and clients refuse it: put a new one in its place and send SIGHUP (systemctl reload secbeat)";
    } else if (expires < now + kRenewBefore) {
      finding.health = Health::kWarning;
      finding.advice =
          "it expires within 14 days: put a new one in its place and send SIGHUP (systemctl reload secbeat)";
    }
  }
  findings.push_back(std::move(finding));
}

void examine_folders(const Config& config, Findings& findings) {
  const auto workers = find_worker_identity(config);
  if (!workers) {
    findings.push_back({"workers' user", Health::kFailure, config.worker_user, workers.error().message});
    return;
  }
  findings.push_back({"workers' user", Health::kOk, workers->user.empty() ? "this one" : workers->user, ""});
  findings.push_back(folder_finding("data_dir", config.data_dir, *workers));
  findings.push_back(folder_finding("state_dir", config.state_dir, *workers));
  for (const std::string& sentence : open_permissions(config)) {
    findings.push_back({"permissions", Health::kWarning, sentence, "the next start of the node puts modes right"});
  }
  struct statvfs disk{};
  if (::statvfs(existing(config.data_dir).c_str(), &disk) != 0) return;
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  const bool enough = free >= kWantedBytes;
  findings.push_back(
      {"disk", enough ? Health::kOk : Health::kWarning, fmt::format("{} MiB free", free >> 20U),
       enough ? ""
              : fmt::format("modules, artifacts and history are kept there: {} MiB are wanted", kWantedBytes >> 20U)});
}

void examine_ports(const Config& config, Findings& findings) {
  findings.push_back(port_finding(config, "api port", config.api));
  if (config.nginx == Nginx::kManaged) findings.push_back(port_finding(config, "site port", config.proxy));
}

}  // namespace secbeat::agent
