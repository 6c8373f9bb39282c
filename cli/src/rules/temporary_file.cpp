#include "rules/temporary_file.hpp"

#include <stdlib.h>

#include <string>
#include <system_error>

#include "secbeat/base/files.hpp"

namespace secbeat::cli {

Result<TemporaryFile> TemporaryFile::make(std::string_view name, std::string_view bytes) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return fail(ErrorCode::kIo, "There is no folder for temporary files: " + error.message());
  std::string pattern = (folder / "secbeat-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return std::unexpected(io_error("cannot make a folder in " + folder.string()));
  TemporaryFile file(std::filesystem::path(pattern) / (std::string(name) + ".json"));
  constexpr mode_t kPrivate = 0600;
  if (auto written = write_file_unsynced(file.path_, bytes, kPrivate); !written)
    return std::unexpected(written.error());
  return file;
}

TemporaryFile::~TemporaryFile() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_.parent_path(), error);
}

}  // namespace secbeat::cli
