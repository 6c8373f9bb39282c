#include "files_test_support.hpp"

#include <fstream>

#include "secbeat/base/files.hpp"

namespace secbeat::agent::testing {
namespace {

std::string custom_section(const std::string& name, const std::string& content) {
  const std::string inner = static_cast<char>(name.size()) + name + content;
  return std::string{'\0', static_cast<char>(inner.size())} + inner;
}

}  // namespace

std::vector<Upload> RecordingReloader::uploads() const {
  const std::lock_guard lock(mutex_);
  return uploads_;
}

Outcome<ReloadResult> RecordingReloader::reload(const Upload& upload) {
  {
    const std::lock_guard lock(mutex_);
    uploads_.push_back(upload);
  }
  if (upload.problem) return std::unexpected(failure(upload.problem->code));
  return answer ? answer(upload) : ReloadResult{};
}

Outcome<RollbackResult> RecordingReloader::rollback(const Rollback&) {
  return std::unexpected(failure(ErrorCode::kInternal));
}

Outcome<RemovalResult> RecordingReloader::remove(const Removal&) {
  return std::unexpected(failure(ErrorCode::kInternal));
}

Outcome<VersionView> RecordingReloader::version(const std::optional<std::string>&) const {
  return std::unexpected(failure(ErrorCode::kInternal));
}

Outcome<std::string> RecordingReloader::module_bytes(std::string_view) const { return serving_bytes; }

Failure failure(ErrorCode code) {
  return {.error = {code, "no"},
          .about_module = true,
          .current_version = "v1",
          .retry_after_seconds = {},
          .names = {},
          .workers = {}};
}

std::string wasm(const std::string& salt, const std::string& name) {
  std::string bytes("\0asm\1\0\0\0", 8);
  if (!name.empty()) bytes += custom_section("secbeat.name", name);
  return bytes + custom_section("salt", salt);
}

FilesTest::FilesTest() {
  std::string pattern = ::testing::TempDir() + "/files-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
  config_.file = folder_ / "secbeat.toml";
}

FilesTest::~FilesTest() { std::filesystem::remove_all(folder_); }

void FilesTest::write_in_place(const std::string& file, std::string_view bytes) const {
  std::ofstream(folder_ / file, std::ios::binary | std::ios::trunc) << bytes;
}

void FilesTest::replace(const std::string& file, std::string_view bytes) const {
  ASSERT_TRUE(write_file_atomically(folder_ / file, bytes));
}

void FilesTest::name_module() {
  ModuleConfig module;
  module.module = folder_ / "waf.wasm";
  module.config = folder_ / "waf-config.json";
  module.config_is_explicit = true;
  config_.modules.push_back(module);
  reloader_.names = {"waf"};
  write_in_place("waf.wasm", wasm("first"));
  write_in_place("waf-config.json", "{}");
}

}  // namespace secbeat::agent::testing
