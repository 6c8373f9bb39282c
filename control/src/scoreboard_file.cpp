// The scoreboard's file: made whole or not at all, kept over restarts of the agent.
//
// Workers may write its folder, so the agent (root, as a rule) trusts nothing in it: it follows no symbolic link,
// takes only a regular file with one name, and sets owner and mode on what it has open and not on a path.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "secbeat/base/unique_fd.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::control {
namespace {

constexpr mode_t kFileMode = 0660;
constexpr mode_t kFolderMode = 0770;

Result<void> hand_over(int fd, uid_t owner, gid_t group, mode_t mode, const std::filesystem::path& path) {
  if (::fchown(fd, owner, group) != 0)
    return std::unexpected(io_error("cannot give " + path.string() + " to the workers"));
  if (::fchmod(fd, mode) != 0) return std::unexpected(io_error("cannot set the mode of " + path.string()));
  return {};
}

Result<UniqueFd> open_folder(const std::filesystem::path& path, uid_t owner, gid_t group) {
  if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return std::unexpected(io_error("cannot make the folder " + path.string()));
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot open the folder " + path.string()));
  if (auto done = hand_over(fd.get(), owner, group, kFolderMode, path); !done) return std::unexpected(done.error());
  return fd;
}

ScoreboardLayout* map(int fd) {
  void* const memory = ::mmap(nullptr, sizeof(ScoreboardLayout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<ScoreboardLayout*>(memory);
}

// Whether the descriptor is a file of this build's layout, as far as its size says.
bool has_our_size(int fd) {
  struct stat st{};
  return ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size == sizeof(ScoreboardLayout);
}

bool has_our_header(const ScoreboardHeader& header) {
  return header.magic.load(std::memory_order_acquire) == kScoreboardMagic &&
         header.layout == kScoreboardLayoutVersion && header.worker_slots == kMaxWorkers;
}

// The mapping of an existing file; null where there is none, or one of another layout.
ScoreboardLayout* map_existing(int fd) {
  if (!has_our_size(fd)) return nullptr;
  ScoreboardLayout* const layout = map(fd);
  if (layout == nullptr || has_our_header(layout->header)) return layout;
  ::munmap(layout, sizeof(ScoreboardLayout));
  return nullptr;
}

bool fill_header(ScoreboardHeader& header) {
  header.layout = kScoreboardLayoutVersion;
  header.worker_slots = kMaxWorkers;
  if (::getrandom(header.hash_seed, sizeof header.hash_seed, 0) != sizeof header.hash_seed) return false;
  header.magic.store(kScoreboardMagic, std::memory_order_release);
  return true;
}

// A new file of zeros with a header, which gets its name when it is complete.
Result<ScoreboardLayout*> publish_new(int folder, const std::filesystem::path& path, uid_t owner, gid_t group) {
  const std::string name = path.filename().string();
  const std::string temporary = "." + name + "." + std::to_string(::getpid());
  ::unlinkat(folder, temporary.c_str(), 0);  // of a predecessor with our pid that died here
  const UniqueFd fd(::openat(folder, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd) return std::unexpected(io_error("cannot make " + path.string()));
  const auto fill = [&]() -> Result<ScoreboardLayout*> {
    if (auto done = hand_over(fd.get(), owner, group, kFileMode, path); !done) return std::unexpected(done.error());
    // Reserved now: a store to a page that the file system has no room for would be a SIGBUS in a worker.
    const int error = ::posix_fallocate(fd.get(), 0, sizeof(ScoreboardLayout));
    if (error != 0) {
      errno = error;
      return std::unexpected(io_error("no room for " + path.string()));
    }
    ScoreboardLayout* const layout = map(fd.get());
    if (layout == nullptr) return std::unexpected(io_error("cannot map " + path.string()));
    if (fill_header(layout->header) && ::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0) return layout;
    ::munmap(layout, sizeof(ScoreboardLayout));
    return std::unexpected(io_error("cannot publish " + path.string()));
  };
  auto layout = fill();
  if (!layout) ::unlinkat(folder, temporary.c_str(), 0);
  return layout;
}

}  // namespace

Result<std::unique_ptr<Scoreboard>> Scoreboard::create(const std::filesystem::path& path, uid_t owner, gid_t group) {
  const auto folder = open_folder(path.parent_path(), owner, group);
  if (!folder) return std::unexpected(folder.error());
  const std::string name = path.filename().string();
  const UniqueFd existing(::openat(folder->get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (existing) {
    if (ScoreboardLayout* const layout = map_existing(existing.get()); layout != nullptr) {
      std::unique_ptr<Scoreboard> scoreboard(new Scoreboard(layout));
      if (auto done = hand_over(existing.get(), owner, group, kFileMode, path); !done) {
        return std::unexpected(done.error());
      }
      return scoreboard;
    }
  }
  auto layout = publish_new(folder->get(), path, owner, group);
  if (!layout) return std::unexpected(layout.error());
  return std::unique_ptr<Scoreboard>(new Scoreboard(*layout));
}

Result<std::unique_ptr<Scoreboard>> Scoreboard::open(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot open " + path.string()));
  ScoreboardLayout* const layout = map_existing(fd.get());
  if (layout == nullptr) {
    return fail(ErrorCode::kProtocol,
                path.string() + " is no scoreboard of this build: run agent and nginx module of " + "one release");
  }
  return std::unique_ptr<Scoreboard>(new Scoreboard(layout));
}

Scoreboard::~Scoreboard() { ::munmap(layout_, sizeof(ScoreboardLayout)); }

}  // namespace secbeat::control
