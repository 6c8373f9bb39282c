// A file of one's own in a folder of its own, which goes with the object unless it is kept.
//
// Thread safety: owned by one thread.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "secbeat/base/error.hpp"

namespace secbeat::cli {

class TemporaryFile {
 public:
  // NAME.json with these bytes, readable by this user alone, below TMPDIR. kIo.
  static Result<TemporaryFile> make(std::string_view name, std::string_view bytes);
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TemporaryFile();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // It stays; where it is.
  std::filesystem::path keep() { return std::exchange(path_, {}); }

 private:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace secbeat::cli
