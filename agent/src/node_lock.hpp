// One agent to a data directory.
//
// Thread safety: owned by one thread.
#pragma once

#include <filesystem>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Held as long as it lives; the kernel lets go of it when the process dies, however it dies. Never inherited by
// what the agent starts, or an nginx that outlives it would hold it.
class DataLock {
 public:
  // kConfig: another process holds it; its pid is in the message.
  static Result<DataLock> take(const std::filesystem::path& data_dir);

 private:
  explicit DataLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace secbeat::agent
