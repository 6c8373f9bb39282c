// Which desired revision of each module the node has followed, on the disk. A node never follows the same or an older
// one again; where the file is lost it follows the newest, as a new node does.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::agent {

class Reached {
 public:
  explicit Reached(std::filesystem::path file);  // reads it, where it can be read

  [[nodiscard]] std::uint64_t of(std::string_view module) const;
  Result<void> set(std::string_view module, std::uint64_t revision);  // an older one than it has changes nothing

 private:
  const std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> revisions_;  // guarded by mutex_
};

}  // namespace secbeat::agent
