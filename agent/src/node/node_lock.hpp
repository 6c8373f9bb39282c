// One agent to a folder.
//
// Thread safety: owned by one thread.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Held as long as it lives; the kernel lets go of it when the process dies, however it dies. Never inherited by
// what the agent starts, or an nginx that outlives it would hold it.
class FolderLock {
 public:
  // kConfig: another process holds it; its pid is in the message. `key` is the one of [node] that names the folder.
  static Result<FolderLock> take(const std::filesystem::path& folder, std::string_view key);

 private:
  explicit FolderLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace secbeat::agent
