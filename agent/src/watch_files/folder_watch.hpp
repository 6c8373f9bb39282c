// Tells at once when something happens in the folders that watched files are found through: inotify.
//
// It only makes looking sooner. Whoever uses it looks from time to time without it, because inotify does not see what
// other machines do on a network file system, loses events under load, and ends with the folder.
//
// Thread safety: owned by one thread.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// The directory entries that decide what `path` is: itself, symbolic links on the way to it, and where they lead.
std::vector<std::filesystem::path> entries_on_the_way(const std::filesystem::path& path);

class FolderWatch {
 public:
  // kIo where there is no inotify to be had (its limits are per user).
  static Result<FolderWatch> open();

  [[nodiscard]] int fd() const { return inotify_.get(); }  // readable: call drain()
  // Watches the folders of these entries, and no others. A folder that is not there is left out until the next call.
  void follow(const std::set<std::filesystem::path>& entries);
  // Takes in what has happened.
  void drain();
  // Whether somebody has written to this entry and has not closed it since.
  [[nodiscard]] bool being_written(const std::filesystem::path& entry) const { return written_.contains(entry); }

 private:
  explicit FolderWatch(UniqueFd inotify) : inotify_(std::move(inotify)) {}
  void take_in(int watch, std::uint32_t mask, const std::string& name);

  UniqueFd inotify_;
  std::map<std::filesystem::path, int> folders_;  // to the watch that each had when it was followed last
  std::set<std::filesystem::path> entries_;       // that were asked for
  std::set<std::filesystem::path> written_;       // of entries_
  bool limit_told_ = false;
};

}  // namespace secbeat::agent
