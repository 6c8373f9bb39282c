#include "folder_watch.hpp"

#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace secbeat::agent {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                  IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kMostLinks = 40;  // as in the kernel

bool is_link(const fs::path& path) {
  std::error_code error;
  return fs::is_symlink(fs::symlink_status(path, error));
}

void add_linked_folders(const fs::path& path, std::vector<fs::path>& entries) {
  for (fs::path folder = path.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
    if (is_link(folder)) entries.push_back(folder);
  }
}

}  // namespace

std::vector<fs::path> entries_on_the_way(const fs::path& path) {
  std::vector<fs::path> entries;
  fs::path at = path;
  for (int links = 0; links < kMostLinks; ++links) {
    entries.push_back(at);
    add_linked_folders(at, entries);
    std::error_code error;
    if (!is_link(at)) break;
    const fs::path target = fs::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / target;
  }
  return entries;
}

Result<FolderWatch> FolderWatch::open() {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return std::unexpected(io_error("inotify"));
  return FolderWatch(std::move(inotify));
}

void FolderWatch::follow(const std::set<fs::path>& entries) {
  std::map<fs::path, int> folders;
  for (const fs::path& entry : entries) {
    const fs::path folder = entry.parent_path();
    if (folders.contains(folder)) continue;
    // Asked for anew each time: the same path may have become another folder.
    const int watch = ::inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
    if (watch >= 0) folders.emplace(folder, watch);
    if (watch < 0 && errno == ENOSPC && !limit_told_) {
      spdlog::warn("{} cannot be watched: fs.inotify.max_user_watches is reached; it is looked at from time to time",
                   folder.string());
      limit_told_ = true;
    }
  }
  for (const auto& [folder, watch] : folders_) {
    const bool kept = std::ranges::any_of(folders, [&](const auto& now) { return now.second == watch; });
    if (!kept) ::inotify_rm_watch(inotify_.get(), watch);  // fails where the folder has gone, and the watch with it
  }
  folders_ = std::move(folders);
  entries_ = entries;
  std::erase_if(written_, [&](const fs::path& entry) { return !entries_.contains(entry); });
}

void FolderWatch::drain() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t n = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (n <= 0) return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(n);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      take_in(event.wd, event.mask, event.len == 0 ? std::string() : std::string(name, ::strnlen(name, event.len)));
      at += sizeof event + event.len;
    }
  }
}

void FolderWatch::take_in(int watch, std::uint32_t mask, const std::string& name) {
  if ((mask & IN_Q_OVERFLOW) != 0) written_.clear();  // the end of a write may be among what is lost
  if ((mask & (IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE)) == 0) return;
  for (const auto& [folder, folders_watch] : folders_) {
    if (folders_watch != watch || !entries_.contains(folder / name)) continue;
    if ((mask & IN_MODIFY) != 0) written_.insert(folder / name);
    if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE)) != 0) written_.erase(folder / name);
  }
}

}  // namespace secbeat::agent
