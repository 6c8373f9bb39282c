#include "folder_storage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "s3_storage.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/content_file.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::archive {
namespace fs = std::filesystem;
namespace {

// Rules may be nobody else's business: owner and group.
constexpr mode_t kFileMode = 0640;
constexpr fs::perms kFolderMode = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec;

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  if (folder.has_relative_path() && folder != folder.parent_path()) {
    if (auto made = make_folder(folder.parent_path()); !made) return made;
  }
  if (fs::create_directory(folder, error)) fs::permissions(folder, kFolderMode, error);
  if (error || !fs::is_directory(folder, error)) {
    return fail(ErrorCode::kIo, fmt::format("cannot make the folder {}: {}", folder.string(),
                                            error ? error.message() : "something else is there"));
  }
  const UniqueFd parent(::open(folder.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return std::unexpected(io_error("cannot sync " + folder.string()));
  return {};
}

std::string time_of(const fs::directory_entry& entry) {
  std::error_code error;
  const auto time = entry.last_write_time(error);
  if (error) return {};
  return rfc3339(std::chrono::time_point_cast<SystemTime::duration>(fs::file_time_type::clock::to_sys(time)));
}

Result<void> collect_files(const fs::path& folder, const std::string& key, int depth, const KeyFilter& is_wanted,
                           std::vector<StoredFile>& files) {
  std::error_code error;
  if (!fs::exists(folder, error) && !error) return {};
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    const std::string name = fmt::format("{}/{}", key, entry->path().filename().string());
    std::error_code ignored;
    // A folder where a file should be is told as one that cannot be read.
    if (depth > 0 && entry->is_directory(ignored)) {
      if (auto done = collect_files(entry->path(), name, depth - 1, is_wanted, files); !done) return done;
      continue;
    }
    if (!is_wanted(name)) continue;
    const std::uintmax_t size = entry->file_size(ignored);
    files.push_back({name, ignored ? 0 : size, time_of(*entry)});
    if (files.size() > kMaxListedFiles) {
      return fail(ErrorCode::kTooLarge, fmt::format("{} holds more than {} files", folder.string(), kMaxListedFiles));
    }
  }
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
  }
  return {};
}

class FolderStorage final : public Storage {
 public:
  explicit FolderStorage(fs::path folder) : folder_(std::move(folder)), place_(folder_.string()) {}

  [[nodiscard]] const std::string& place() const override { return place_; }

  Result<void> check() override {
    std::error_code error;
    if (fs::is_directory(folder_, error)) return {};
    return fail(ErrorCode::kIo, fmt::format("there is no archive at {}", place_));
  }

  Result<std::string> get(const std::string& key, std::size_t limit) override {
    std::error_code error;
    const fs::path file = folder_ / key;
    if (!fs::exists(file, error) && !error) {
      return fail(ErrorCode::kNotFound, fmt::format("there is no {}", file.string()));
    }
    return read_file(file, limit);
  }

  // Read whole: what is damaged is put again.
  bool holds(const std::string& key, std::string_view sha256, std::size_t size) override {
    return read_content(folder_ / key, sha256, size).has_value();
  }

  Result<void> put(const std::string& key, std::string_view bytes) override {
    const fs::path file = folder_ / key;
    if (auto made = make_folder(file.parent_path()); !made) return made;
    return write_file_atomically(file, bytes, kFileMode);
  }

  Result<std::vector<StoredFile>> list_where(const std::string& folder, const KeyFilter& is_wanted) override {
    std::vector<StoredFile> files;
    const int depth = folder == "manifests" ? 1 : 0;  // a folder for each module
    auto done = collect_files(folder_ / folder, folder, depth, is_wanted, files);
    if (!done) return std::unexpected(done.error());
    std::ranges::sort(files, {}, &StoredFile::key);
    return files;
  }

 private:
  const fs::path folder_;
  const std::string place_;
};

}  // namespace

std::unique_ptr<Storage> open_folder(const std::filesystem::path& folder) {
  return std::make_unique<FolderStorage>(folder);
}

std::unique_ptr<Storage> open_storage(const Location& location, const Patience& patience) {
  if (location.bucket.empty()) return open_folder(location.folder);
  return open_s3(location, patience);
}

}  // namespace secbeat::archive
