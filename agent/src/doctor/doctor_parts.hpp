// The parts of an examination. Each adds its findings; none throws for what it finds.
//
// Thread safety: as examine_machine() and examine_node().
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "secbeat/agent/doctor.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

using Findings = std::vector<Finding>;

// A folder that is gone with its owner.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

void examine_nginx(const Config& config, Findings& findings);        // doctor_nginx.cpp
void examine_limits(Findings& findings);                             // doctor_machine.cpp
void examine_kernel(Findings& findings);                             // doctor_machine.cpp
void examine_engine(Findings& findings);                             // doctor_machine.cpp
void examine_files(const Config& config, Findings& findings);        // doctor_node.cpp
void examine_archive(const Config& config, Findings& findings);      // doctor_archive.cpp
void examine_signatures(const Config& config, Findings& findings);   // doctor_node.cpp
void examine_certificate(const Config& config, Findings& findings);  // doctor_node.cpp
void examine_folders(const Config& config, Findings& findings);      // doctor_node.cpp
void examine_ports(const Config& config, Findings& findings);        // doctor_node.cpp

}  // namespace secbeat::agent
