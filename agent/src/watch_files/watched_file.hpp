// One file that is watched: whether its content has changed, and whether the change is whole.
//
// A file that is replaced by rename is whole at once; one that is written in place is whole when it has not changed for
// a while and looks like what it should be. What never comes to look so is taken as it is in the end, so that its fault
// is told. It is looked at through its path each time, so that links, renames and folders made anew are followed.
//
// Thread safety: owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

enum class FileKind : std::uint8_t { kModule, kConfiguration };
enum class Writer : std::uint8_t { kNone, kAtWork };  // whether somebody is known to be writing to the file now

// How long a file must be as it is before it is read, and before a half one is taken as it is.
struct Patience {
  std::chrono::milliseconds settled{300};
  std::chrono::milliseconds broken{5000};
};

class WatchedFile {
 public:
  enum class State : std::uint8_t {
    kSame,      // as it was dealt with last
    kGone,      // not there, empty or no file: nothing to take
    kSettling,  // changing, or half: look again at due()
    kChanged,   // content() is to be dealt with
  };
  struct Content {
    std::string bytes;
    std::string sha256;            // names the problem where there are no bytes
    std::optional<Error> problem;  // why the bytes cannot be taken; there may be none then
    bool whole = true;             // it looks like what it should be
  };

  WatchedFile(std::filesystem::path path, FileKind kind, std::size_t limit_bytes)
      : path_(std::move(path)), kind_(kind), limit_bytes_(limit_bytes) {}

  // Takes the file as it is as dealt with.
  void accept_as_it_is();
  State look(SteadyTime now, const Patience& patience, Writer writer);
  [[nodiscard]] SteadyTime due() const { return due_; }               // REQUIRES: look() said kSettling
  [[nodiscard]] const Content& content() const { return *content_; }  // REQUIRES: look() said kChanged
  void look_again() { known_.reset(), known_sha256_.clear(); }        // as if it had changed just now
  void dealt_with();                                                  // REQUIRES: look() said kChanged
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  // What stat() says of a file that changes with its content.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };

  [[nodiscard]] std::optional<Identity> identify() const;
  [[nodiscard]] Content read(const Identity& identity) const;
  State settle_until(SteadyTime due);
  State gone();

  const std::filesystem::path path_;
  const FileKind kind_;
  const std::size_t limit_bytes_;

  std::string known_sha256_;       // of what was dealt with last; empty: nothing was there
  std::optional<Identity> known_;  // under which it was seen last
  std::optional<Identity> seen_;   // of the change under way
  SteadyTime seen_at_;             // since when it is so
  std::optional<Content> content_;
  SteadyTime due_;
  bool gone_told_ = false;
};

}  // namespace secbeat::agent
