#include "secbeat/agent/doctor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

#include "doctor_parts.hpp"

namespace secbeat::agent {

std::string_view word_of(Health health) noexcept {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kWarning:
      return "warn";
    case Health::kFailure:
      return "fail";
  }
  return "fail";
}

Config default_config() {
  // Folders and names are filled in where a file is read; nothing of this one is looked at.
  return parse_config("[proxy]\nupstream = \"127.0.0.1:80\"\n", "secbeat.toml").value_or(Config{});
}

Result<TemporaryFolder> TemporaryFolder::make() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  std::string name = ((error ? "/tmp" : parent) / "secbeat-doctor-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return std::unexpected(io_error("cannot make " + name));
  return TemporaryFolder(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::vector<Finding> examine_machine(const Config& config) {
  Findings findings;
  examine_nginx(config, findings);
  examine_limits(findings);
  examine_kernel(findings);
  examine_engine(findings);
  return findings;
}

std::vector<Finding> examine_node(const Config& config) {
  Findings findings;
  examine_files(config, findings);
  examine_signatures(config, findings);
  examine_certificate(config, findings);
  examine_folders(config, findings);
  examine_ports(config, findings);
  examine_archive(config, findings);
  return findings;
}

}  // namespace secbeat::agent
