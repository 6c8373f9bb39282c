#include "secbeat/base/own_programs.hpp"

#include <unistd.h>

#include <string>
#include <system_error>

namespace secbeat {

Result<std::filesystem::path> find_own_program(std::string_view name) {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return fail(ErrorCode::kConfig, "/proc is not mounted; it is needed to find " + std::string(name));
  std::string tried;
  for (const char* folder : {"../libexec", "../libexec/secbeat", "../lib/secbeat"}) {
    const auto file = (here / folder / name).lexically_normal();
    if (std::filesystem::is_regular_file(file, error) && ::access(file.c_str(), X_OK) == 0) return file;
    tried += (tried.empty() ? "" : ", ") + file.string();
  }
  return fail(ErrorCode::kConfig,
              std::string(name) + " is not there; it belongs to this installation: looked for " + tried);
}

std::filesystem::path find_own_guest(std::string_view name) {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::string file_name = std::string(name) + ".wasm";
  for (const char* folder : {"../guests", "../lib/secbeat/guests", "../share/secbeat/guests"}) {
    auto file = (here / folder / file_name).lexically_normal();
    if (std::filesystem::is_regular_file(file, error)) return file;
  }
  return (here / "../lib/secbeat/guests" / file_name).lexically_normal();
}

namespace {

// share/secbeat/<name>, which messages call `what`.
Result<std::filesystem::path> find_own_folder(const char* name, const std::string& what) {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return fail(ErrorCode::kConfig, "/proc is not mounted; it is needed to find " + what);
  auto folder = (here / "../share/secbeat" / name).lexically_normal();
  if (std::filesystem::is_directory(folder, error)) return folder;
  return fail(ErrorCode::kConfig,
              what + " is not there; it belongs to this installation: looked for " + folder.string());
}

}  // namespace

Result<std::filesystem::path> find_own_demo() { return find_own_folder("demo", "The demo"); }
Result<std::filesystem::path> find_own_sdk() { return find_own_folder("sdk", "The SDK"); }

}  // namespace secbeat
