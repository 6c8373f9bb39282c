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
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

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
  header.break_glass_form = kBreakGlassForm;
  if (::getrandom(header.hash_seed, sizeof header.hash_seed, 0) != sizeof header.hash_seed) return false;
  header.magic.store(kScoreboardMagic, std::memory_order_release);
  return true;
}

// The file that is replaced.
class Replaced {
 public:
  // -1: there was none.
  explicit Replaced(int fd) : fd_(fd) {}

  // Takes its break-glass area over into a new file of zeros, and says what there is to say.
  std::string hand_on(ScoreboardLayout& layout) const {
    struct stat st{};
    if (fd_ < 0 || ::fstat(fd_, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) return {};
    ScoreboardHeader header{};
    if (!reads(&header, sizeof header, 0) || header.magic.load(std::memory_order_relaxed) != kScoreboardMagic) {
      return st.st_size == 0 ? "" : "the scoreboard was damaged and is a new one" + forgotten();
    }
    const std::string what = "the scoreboard was of layout " + std::to_string(header.layout) + " and is a new one";
    const bool known = header.break_glass_form == kBreakGlassForm ||
                       (header.break_glass_form == 0 && header.layout == kFirstBreakGlassLayout);
    if (!known) return what + forgotten();
    if (!reads(&layout.break_glass, sizeof layout.break_glass, offsetof(ScoreboardLayout, break_glass))) {
      // Half of it is none of it.
      std::memset(static_cast<void*>(&layout.break_glass), 0, sizeof layout.break_glass);
      return what + forgotten();
    }
    return what +
           ", with the bypass and the rollbacks that are in effect; restart nginx: workers that run see no more "
           "of what is done from now on";
  }

 private:
  bool reads(void* to, std::size_t size, std::size_t offset) const {
    return ::pread(fd_, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  }
  static std::string forgotten() {
    return ": a bypass and rollbacks that were in effect without an agent are forgotten; look at what serves (secbeat "
           "status) and roll back again where that is not what it should be";
  }

  int fd_;
};

struct Published {
  ScoreboardLayout* layout = nullptr;
  std::string notice;
};

// A new file of zeros with a header and what is handed on, which gets its name when it is complete.
Result<Published> publish_new(int folder, const std::filesystem::path& path, uid_t owner, gid_t group,
                              const Replaced& replaced) {
  const std::string name = path.filename().string();
  const std::string temporary = "." + name + "." + std::to_string(::getpid());
  ::unlinkat(folder, temporary.c_str(), 0);  // of a predecessor with our pid that died here
  const UniqueFd fd(::openat(folder, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd) return std::unexpected(io_error("cannot make " + path.string()));
  const auto fill = [&]() -> Result<Published> {
    if (auto done = hand_over(fd.get(), owner, group, kFileMode, path); !done) return std::unexpected(done.error());
    // Reserved now: a store to a page that the file system has no room for would be a SIGBUS in a worker.
    const int error = ::posix_fallocate(fd.get(), 0, sizeof(ScoreboardLayout));
    if (error != 0) {
      errno = error;
      return std::unexpected(io_error("no room for " + path.string()));
    }
    ScoreboardLayout* const layout = map(fd.get());
    if (layout == nullptr) return std::unexpected(io_error("cannot map " + path.string()));
    std::string notice = replaced.hand_on(*layout);
    if (fill_header(layout->header) && ::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0) {
      return Published{layout, std::move(notice)};
    }
    ::munmap(layout, sizeof(ScoreboardLayout));
    return std::unexpected(io_error("cannot publish " + path.string()));
  };
  auto published = fill();
  if (!published) ::unlinkat(folder, temporary.c_str(), 0);
  return published;
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
      layout->header.break_glass_form = kBreakGlassForm;
      return scoreboard;
    }
  }
  auto published = publish_new(folder->get(), path, owner, group, Replaced(existing.get()));
  if (!published) return std::unexpected(published.error());
  return std::unique_ptr<Scoreboard>(new Scoreboard(published->layout, std::move(published->notice)));
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
