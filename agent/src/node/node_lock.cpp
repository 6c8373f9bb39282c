#include "node_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

namespace secbeat::agent {
namespace {

// The pid that the holder wrote; 0: it has not come to that yet.
pid_t holder_of(int file) {
  std::array<char, 16> text{};
  const ssize_t n = ::pread(file, text.data(), text.size(), 0);
  pid_t pid = 0;
  if (n > 0) std::from_chars(text.data(), text.data() + n, pid);
  return pid;
}

}  // namespace

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder, std::string_view key) {
  const std::filesystem::path path = folder / "lock";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) return std::unexpected(io_error("cannot open " + path.string()));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return std::unexpected(io_error("cannot lock " + path.string()));
    const pid_t pid = holder_of(file.get());
    return fail(ErrorCode::kConfig,
                fmt::format("{} ([node] {}) is held by {}: end it first, or give this node another {}", folder.string(),
                            key, pid == 0 ? "another process" : fmt::format("process {}", pid), key));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  // The pid is for people. A full disk must not keep a node from starting with what is on it.
  const bool written = ::ftruncate(file.get(), 0) == 0 && ::pwrite(file.get(), pid.data(), pid.size(), 0) >= 0;
  if (!written && errno != ENOSPC && errno != EDQUOT) {
    return std::unexpected(io_error("cannot write " + path.string()));
  }
  return FolderLock(std::move(file));
}

}  // namespace secbeat::agent
