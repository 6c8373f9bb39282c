// The files of versions under data_dir, written by the agent only:
//
//   in_force.json                    what should be in force; the truth
//   modules/<sha256>.wasm            the modules' bytes (0700: only the agent reads them)
//   artifacts/<artifact_sha256>.cwasm  compiled; workers of another user read them
//   configs/<sha256>                 configurations, byte for byte
//   counting/<sha256>.cwasm          the modules again, compiled to count fuel (0700); emptied at open
//   work/                            what the operation under way is making; emptied at open
//
// Files are named by their content and never change; what is not referenced is removed.
//
// Thread safety: reading from any thread; writing and collecting by one caller at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {

class VersionStore {
 public:
  // Bounds for reading back what was written under the limits of the time.
  static constexpr std::size_t kMaxModuleBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kMaxArtifactBytes = std::size_t{256} << 20U;
  static constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20U;

  // Makes the folders and empties work/.
  static Result<VersionStore> open(const std::filesystem::path& data_dir);

  [[nodiscard]] std::filesystem::path module_path(std::string_view sha256) const;
  [[nodiscard]] std::filesystem::path artifact_path(std::string_view sha256) const;
  [[nodiscard]] std::filesystem::path counting_path(std::string_view module_sha256) const;
  [[nodiscard]] std::filesystem::path config_path(std::string_view sha256) const;
  [[nodiscard]] std::filesystem::path work_path(std::string_view name) const;
  [[nodiscard]] std::filesystem::path ledger_path() const { return data_dir_ / "ledger.sqlite"; }
  [[nodiscard]] std::filesystem::path in_force_path() const { return data_dir_ / "in_force.json"; }

  // What is in force; empty where there is no such file. kConfig for a file that is none.
  [[nodiscard]] Result<std::optional<control::InForce>> read_in_force() const;
  // What was put before is durable before the document that names it is there.
  Result<void> write_in_force(const control::InForce& in_force);

  // Checked against their name: kIo where the file is missing or is not what it is called.
  [[nodiscard]] Result<std::string> module_bytes(std::string_view sha256) const;
  [[nodiscard]] Result<std::string> config_bytes(std::string_view sha256) const;
  [[nodiscard]] Result<std::string> artifact_bytes(std::string_view sha256) const;
  [[nodiscard]] bool has_module(std::string_view sha256) const;

  // Workers find the files at once; a crash of the machine may lose them until make_durable() or write_in_force().
  // Does nothing where the file is there already and holds these bytes.
  Result<void> put_module(std::string_view sha256, std::string_view bytes);
  Result<void> put_config(std::string_view sha256, std::string_view bytes);
  // Moves a finished artifact out of work/ to its name, after checking it; its size.
  Result<std::uint64_t> adopt_artifact(const std::filesystem::path& made, std::string_view sha256);

  // Moves an artifact that counts fuel out of work/, for as long as its module is loaded. Nothing checks it here, and
  // nobody waits for the disk: who uses it has its checksum.
  Result<void> keep_counting(const std::filesystem::path& made, std::string_view module_sha256);
  [[nodiscard]] bool has_counting(std::string_view module_sha256) const;

  // Waits for the disk, so that write_in_force() need not: while workers stage, say.
  Result<void> make_durable();
  [[nodiscard]] bool is_durable() const noexcept { return unsynced_.empty(); }

  // Removes every file that none of the documents names, and what is in work/. Failures are left for the next time.
  void collect_garbage(std::span<const control::InForce> documents) noexcept;

 private:
  explicit VersionStore(std::filesystem::path data_dir) : data_dir_(std::move(data_dir)) {}
  Result<void> put(const std::filesystem::path& file, std::string_view sha256, std::string_view bytes,
                   std::size_t limit);

  std::filesystem::path data_dir_;
  std::vector<std::filesystem::path> unsynced_;  // what was put since the last make_durable()
};

}  // namespace secbeat::agent
